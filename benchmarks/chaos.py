"""What is left after `kill -9`: kills at random moments of `make smoke`, which then ends with the same bytes.

    python -m benchmarks.chaos --folder F              # 100 kills, about an hour on two idle cores
    python -m benchmarks.chaos --folder F --kills 4    # a look, in ten minutes

In a copy of the repository without Git, `make smoke` runs once undisturbed. Then rounds: a workspace without anything,
runs that are killed, each at a random moment of its next 25 s of work, until all is done (ten at most), and one
run to the end. A kill hits the whole process group and all its descendants, or one of them, any; beside every fifth a
second `make smoke` is started. What survives goes on to its end, or is killed within another 25 s. Nothing is
repaired between runs. A round holds if the last run exits 0 with the bytes of the undisturbed one (clocks and the pages
that show seconds apart), `doctor` finds nothing, and no process is left.

chaos.md is written anew after every round. Started again with the same folder, it goes on after the last whole round.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil

from pipeline.store.files import read_json, sha256_file, write_json, write_text

ROOT = Path(__file__).parents[1]
EACH = 10  # kills in a round at most
START, WINDOW = 15.0, 25.0  # seconds: about what a run takes before its first stage; of work before it is killed
SECOND = 5  # a second run beside one kill in so many
TO_THE_END = 0.1  # probability that what survives a kill is waited for
LATEST = 900.0  # seconds after which a run counts as hanging; many times as many as it needs
TIMED = ("data/clocks", "reports/cost.json", "reports/report.md", "reports/report.html")  # they hold seconds
USED = ("pipeline/", "profiles/", "data/raw/", "Makefile", "dvc.yaml", "params.yaml")
LOG = "smoke.log"
UNDISTURBED, ROUNDS = "undisturbed.json", "rounds.jsonl"  # what is kept in the folder
KINDS = ("all processes", "one process")


@dataclass
class Kill:
    """One kill.

    Attributes:
        second: whether a second run was started beside the one that was hit.
        after: seconds after the start of its run.
        done: share of the stages that were done before this run.
        victim: what was hit.
        code: of the run that was hit, None if it hung.
    """

    kind: str
    second: bool
    after: float
    done: float
    victim: str
    code: int | None


@dataclass
class Round:
    """Kills one after another in one workspace, and what the run after them came to: "" if all is as it should be."""

    kills: list[Kill] = field(default_factory=list)
    fault: str = ""
    healed: str = ""


def tracked() -> list[str]:
    """The files of this repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if (ROOT / name).is_file()]


def prepared(folder: Path) -> Path:
    """A copy of the files of this repository in which `make` finds the Python that runs this."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", dirs_exist_ok=True, ignore=shutil.ignore_patterns("cache", "tmp"))
    (folder / ".venv").mkdir(exist_ok=True)
    (folder / ".venv" / "installed").touch()
    return folder


def smoke(copy: Path, log_name: str = LOG) -> subprocess.Popen[str]:
    """Start `make smoke` in a session of its own; its output goes to a file of the copy."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    with (copy / log_name).open("w") as log:
        return subprocess.Popen(
            ["make", "smoke"], cwd=copy, env=environment, stdout=log, stderr=log, text=True, start_new_session=True
        )


def ended(process: subprocess.Popen[str]) -> int | None:
    """The exit code of a run, or None where it hangs; it is ended then."""
    try:
        return process.wait(LATEST)
    except subprocess.TimeoutExpired:
        kill(family(process))
        process.wait()
        return None


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A run's living processes: itself and its descendants, of whatever group."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        return [each for each in (first, *first.children(recursive=True)) if alive(each)]
    return []


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def struck(copy: Path, rng: np.random.Generator, seconds: float, second: bool) -> Kill | None:
    """Start a run, kill it or a part of it, and let what is left of it go on to its end or for some seconds.

    None if it had come to its end before.
    """
    kind, done = str(rng.choice(KINDS)), share_done(copy)
    process, start = smoke(copy), time.monotonic()
    moment = float(rng.uniform(0, START + min(WINDOW, (1 - done) * seconds)))
    missing = second
    while time.monotonic() - start < moment and process.poll() is None:
        if missing and time.monotonic() - start > moment / 2:
            smoke(copy, "second.log")
            missing = False
        time.sleep(0.02)
    victims = family(process)
    if kind == "one process" and victims:
        victims = [victims[int(rng.integers(len(victims)))]]
    victim = named(victims[0]) if len(victims) == 1 else f"{len(victims)} processes"
    kill(victims)
    to_the_end = rng.random() < TO_THE_END
    deadline = time.monotonic() + (LATEST if to_the_end else float(rng.uniform(0, WINDOW)))
    while (going := living(copy)) and time.monotonic() < deadline:
        time.sleep(0.2)
    kill(going)
    code = process.wait()
    return Kill(kind, second, moment, done, victim, None if going and to_the_end else code) if victims else None


def share_done(copy: Path) -> float:
    """The share of the stages of the undisturbed run that dvc.lock names."""
    lock, kept = copy / "runs" / "smoke" / "dvc.lock", copy / UNDISTURBED
    return min(1.0, stages_in(lock) / read_json(kept)["stages"])


def stages_in(lock: Path) -> int:
    """The number of entries of a dvc.lock, which may be cut."""
    return lock.read_text(errors="replace").count("\n    cmd:") if lock.exists() else 0


def named(process: psutil.Process) -> str:
    """The last words of a process's command line."""
    with suppress(psutil.Error):
        return " ".join(Path(word).name for word in process.cmdline()[:1] + process.cmdline()[1:][-3:])[:60]
    return "ended by itself"


def digests(workspace: Path) -> dict[str, str]:
    """The sha256 of every output, but of those that hold seconds."""
    files = [file for part in ("data", "models", "reports") for file in sorted((workspace / part).rglob("*"))]
    names = {file.relative_to(workspace).as_posix(): file for file in files if file.is_file()}
    made = {name: file for name, file in names.items() if not name.startswith((*TIMED, "data/raw", "data/docs"))}
    return {name: sha256_file(file) for name, file in made.items()}


def fault_of(copy: Path, code: int | None, expected: dict[str, str]) -> str:
    """What is wrong after the last run of a round, or ""."""
    workspace = copy / "runs" / "smoke"
    if code is None:
        return "the last run hung"
    if code:
        return f"the last run exited {code}: {' '.join((copy / 'smoke.log').read_text().split())[-300:]}"
    found = digests(workspace)
    other = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if other:
        return f"{len(other)} files differ: {', '.join(other[:5])}"
    doctor = subprocess.run(
        [sys.executable, "-m", "pipeline", "doctor"],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    if doctor.returncode:
        return " ".join(doctor.stderr.split())[:300]
    time.sleep(2)  # for processes that look every second whether they are still needed
    left = living(copy)
    kill(left)
    return f"{len(left)} processes left" if left else ""


def living(copy: Path) -> list[psutil.Process]:
    """All processes at work in the copy."""
    return [process for process in psutil.process_iter(["cwd"]) if (process.info["cwd"] or "").startswith(str(copy))]


def run_round(copy: Path, rng: np.random.Generator, kills: range, seconds: float, expected: dict[str, str]) -> Round:
    """Strike these kills, by number, in an empty workspace, until all is done; then run to the end."""
    shutil.rmtree(copy / "runs", ignore_errors=True)
    result = Round()
    for number in kills:
        one = struck(copy, rng, seconds, second=number % SECOND == 0)
        if one is not None:
            result.kills.append(one)
            print(f"  {number + 1}: {one}", flush=True)
        if one is None or share_done(copy) == 1:
            break
    result.fault = fault_of(copy, ended(smoke(copy)), expected)
    log = (copy / LOG).read_text()
    result.healed = next((line for line in log.splitlines() if line.startswith("healed")), "")
    return result


def table(rounds: list[Round], seconds: float, planned: int) -> str:
    """The Markdown of chaos.md."""
    kills = [each for one in rounds for each in one.kills]
    faults = [one.fault for one in rounds if one.fault]
    quarters = np.histogram([each.done for each in kills], bins=4, range=(0, 1))[0]
    missing = f" ({planned} are planned)" if len(kills) < planned else ""
    lines = [
        "# Kills at random moments",
        "",
        f"{len(kills)} times{missing} `kill -9` in `make smoke`, which takes {seconds:.0f} s undisturbed, each at a "
        f"random moment of its first {START + WINDOW:.0f} s, and nothing but `make smoke` after them; made by "
        "`python -m benchmarks.chaos`, which says what is done.",
        "",
        f"**{len(rounds) - len(faults)} of {len(rounds)} rounds** of up to {EACH} kills ended with the bytes of the "
        f"undisturbed run, nothing for `doctor` to find, and no process left. "
        f"{sum(each.code is None for each in kills)} runs hung after a kill. "
        f"{sum(bool(one.healed) for one in rounds)} times the last run had something to heal.",
        "",
        "When their run began, 0 to 25, 25 to 50, 50 to 75 and 75 to 100 % of the stages were done for "
        f"{', '.join(map(str, quarters[:3]))} and {quarters[3]} of the kills.",
        "",
        "| what was killed | second run beside it | kills | the run ended by itself with 0 | with an error |",
        "|---|---|---:|---:|---:|",
    ]
    for kind in KINDS:
        for second in (False, True):
            found = [each for each in kills if (each.kind, each.second) == (kind, second)]
            done = sum(each.code == 0 for each in found)
            lines.append(f"| {kind} | {'yes' if second else 'no'} | {len(found)} | {done} | {len(found) - done} |")
    lines += ["", *(f"- Fault: {fault}" for fault in faults)] if faults else []
    return "\n".join(lines) + "\n"


def undisturbed(copy: Path) -> tuple[float, dict[str, str]]:
    """The seconds of a run without kills, and the digests of what it leaves; kept for the next time in this folder."""
    kept = copy / UNDISTURBED
    if not kept.exists():
        shutil.rmtree(copy / "runs", ignore_errors=True)
        start = time.monotonic()
        if code := ended(smoke(copy)):
            sys.exit(f"the undisturbed run exited {code}: {(copy / LOG).read_text()[-2000:]}")
        seconds, workspace = time.monotonic() - start, copy / "runs" / "smoke"
        facts = {"version": version(), "seconds": seconds, "stages": stages_in(workspace / "dvc.lock")}
        write_json(kept, facts | {"digests": digests(workspace)})
    found = read_json(kept)
    if found["version"] != version():
        sys.exit(f"{copy} holds another version of the repository; give a new folder")
    return found["seconds"], found["digests"]


def version() -> str:
    """The sha256 of what a run depends on."""
    used = [name for name in tracked() if name.startswith(USED)]
    return hashlib.sha256("".join(name + sha256_file(ROOT / name) for name in used).encode()).hexdigest()


def rounds_so_far(copy: Path) -> list[Round]:
    """The whole rounds that were done in this folder."""
    file = copy / ROUNDS
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Round(**{**one, "kills": [Kill(**each) for each in one["kills"]]}) for one in map(json.loads, lines)]


def all_rounds(copy: Path, kills: int, seed: int) -> None:
    """Rounds up to so many kills; what is found is written after each."""
    seconds, expected = undisturbed(copy)
    print(f"undisturbed: {seconds:.0f} s, {len(expected)} files", flush=True)
    rounds = rounds_so_far(copy)
    while (first := sum(len(one.kills) for one in rounds)) < kills:
        rng = np.random.default_rng([seed, len(rounds)])
        rounds.append(run_round(copy, rng, range(first, min(first + EACH, kills)), seconds, expected))
        print(f"round {len(rounds)}: {rounds[-1].fault or 'held'} {rounds[-1].healed}", flush=True)
        with (copy / ROUNDS).open("a", encoding="utf-8") as file:
            print(json.dumps(asdict(rounds[-1])), file=file)
        write_text(ROOT / "benchmarks" / "chaos.md", table(rounds, seconds, kills))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="of the copy and of what was done so far, to go on later")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        copy = (given.folder or Path(temporary)).absolute()
        if not (copy / "Makefile").exists():
            prepared(copy)
        kill(living(copy))  # of an earlier start that was cut off itself
        try:
            all_rounds(copy, given.kills, given.seed)
        finally:
            kill(living(copy))


if __name__ == "__main__":
    main()
