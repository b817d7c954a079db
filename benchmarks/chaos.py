"""What is left after `kill -9`: kills at random moments of `make smoke`, which then ends with the same bytes.

    python -m benchmarks.chaos               # 100 kills, about 3 hours on two idle cores; rewrites chaos.md
    python -m benchmarks.chaos --kills 4     # a look, within half an hour

In a copy of the repository without Git, `make smoke` runs once undisturbed. Then rounds: a workspace without anything,
some runs that are killed at a moment of their own, and one to the end. A kill hits the whole process group and all its
descendants, or one of them, any; beside every fifth of them a second `make smoke` is started. Nothing is repaired
between runs. A round holds if the last run exits 0 with the bytes of the undisturbed one, clocks and the pages that
show seconds apart, `doctor` finds nothing, and no process is left.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from pipeline.store.files import read_json, sha256_file, write_json

ROOT = Path(__file__).parents[1]
EACH = 4  # kills in a round
SECOND = 5  # a second run beside one kill in so many
LATEST = 900.0  # seconds after which a run counts as hanging; many times as many as it needs
TIMED = ("data/clocks", "reports/cost.json", "reports/report.md", "reports/report.html")  # they hold seconds
LOG = "smoke.log"
KINDS = ("all processes", "one process")


@dataclass
class Kill:
    """One kill, in seconds after the start of its run; `code` of the run that was hit, None if it hung."""

    kind: str
    second: bool
    after: float
    victim: str
    code: int | None


@dataclass
class Round:
    """Kills one after another in one workspace, and what the run after them came to: "" if all is as it should be."""

    kills: list[Kill] = field(default_factory=list)
    fault: str = ""
    healed: str = ""


def prepared(folder: Path) -> Path:
    """A copy of the files of this repository in which `make` finds the Python that runs this."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", dirs_exist_ok=True, ignore=shutil.ignore_patterns("cache", "tmp"))
    (folder / ".venv").mkdir()
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
    """A run's processes: itself and its descendants, of whatever group."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    return []


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def struck(copy: Path, rng: np.random.Generator, seconds: float, second: bool) -> Kill:
    """Start a run, kill it or a part of it at a moment within `seconds`, and wait for what is left of it to end."""
    kind = str(rng.choice(KINDS))
    process, start = smoke(copy), time.monotonic()
    moment = float(rng.uniform(0, seconds))
    other = None
    while time.monotonic() - start < moment and process.poll() is None:
        if second and other is None and time.monotonic() - start > moment / 2:
            other = smoke(copy, "second.log")
        time.sleep(0.02)
    everyone = victims = family(process)
    if kind == "one process" and victims:
        victims = [victims[int(rng.integers(len(victims)))]]
    victim = named(victims[0]) if len(victims) == 1 else f"{len(victims)} processes"
    kill(victims)
    code = ended(process)
    _, hanging = psutil.wait_procs(everyone, LATEST)  # without its parent a process may go on to its end
    kill(hanging)
    if other is not None and ended(other) is None:
        code = None
    return Kill(kind, second, moment, victim, None if hanging else code)


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
    left = [process for process in psutil.process_iter(["cwd"]) if (process.info["cwd"] or "").startswith(str(copy))]
    kill(left)
    return f"{len(left)} processes left" if left else ""


def run_round(copy: Path, rng: np.random.Generator, kills: range, seconds: float, expected: dict[str, str]) -> Round:
    """Strike these kills, by number, in an empty workspace; then run to the end."""
    shutil.rmtree(copy / "runs", ignore_errors=True)
    result = Round()
    for number in kills:
        result.kills.append(struck(copy, rng, seconds, second=number % SECOND == 0))
        print(f"  {number + 1}: {result.kills[-1]}", flush=True)
    result.fault = fault_of(copy, ended(smoke(copy)), expected)
    log = (copy / LOG).read_text()
    result.healed = next((line for line in log.splitlines() if line.startswith("healed")), "")
    return result


def table(rounds: list[Round], seconds: float, kills: int) -> str:
    """The Markdown of chaos.md."""
    struck_all = [each for one in rounds for each in one.kills]
    faults = [one.fault for one in rounds if one.fault]
    lines = [
        "# Kills at random moments",
        "",
        f"{kills} times `kill -9` in `make smoke`, at moments drawn from the {seconds:.0f} s of an undisturbed run, "
        "and nothing but `make smoke` after them; made by `python -m benchmarks.chaos`, which says what is done.",
        "",
        f"**{len(rounds) - len(faults)} of {len(rounds)} rounds** of up to {EACH} kills ended with the bytes of the "
        f"undisturbed run, nothing for `doctor` to find, and no process left. "
        f"{sum(each.code is None for each in struck_all)} runs hung after a kill. "
        f"{sum(bool(one.healed) for one in rounds)} times the last run had something to heal.",
        "",
        "| what was killed | second run beside it | kills | the run ended by itself with 0 | with an error |",
        "|---|---|---:|---:|---:|",
    ]
    for kind in KINDS:
        for second in (False, True):
            found = [each for each in struck_all if (each.kind, each.second) == (kind, second)]
            done = sum(each.code == 0 for each in found)
            lines.append(f"| {kind} | {'yes' if second else 'no'} | {len(found)} | {done} | {len(found) - done} |")
    lines += ["", *(f"- Fault: {fault}" for fault in faults)] if faults else []
    return "\n".join(lines) + "\n"


def undisturbed(copy: Path) -> tuple[float, dict[str, str]]:
    """The seconds of a run without kills, and the digests of what it leaves; kept for the next time in this folder."""
    kept = copy / "undisturbed.json"
    if not kept.exists():
        start = time.monotonic()
        if code := ended(smoke(copy)):
            sys.exit(f"the undisturbed run exited {code}: {(copy / LOG).read_text()[-2000:]}")
        write_json(kept, {"seconds": time.monotonic() - start, "digests": digests(copy / "runs" / "smoke")})
    found = read_json(kept)
    return found["seconds"], found["digests"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="of the copy, which is kept with its undisturbed run")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        copy = given.folder or Path(temporary)
        if not (copy / "Makefile").exists():
            prepared(copy)
        seconds, expected = undisturbed(copy)
        print(f"undisturbed: {seconds:.0f} s, {len(expected)} files", flush=True)
        rounds = []
        for first in range(0, given.kills, EACH):
            numbers = range(first, min(first + EACH, given.kills))
            rounds.append(run_round(copy, rng, numbers, seconds, expected))
            print(f"round {len(rounds)}: {rounds[-1].fault or 'held'} {rounds[-1].healed}", flush=True)
    (ROOT / "benchmarks" / "chaos.md").write_text(table(rounds, seconds, given.kills), encoding="utf-8")


if __name__ == "__main__":
    main()
