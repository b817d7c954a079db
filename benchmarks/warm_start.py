"""What `python -m pipeline warm` saves: seconds of a whole run in which every cell is a fork of one warm process.

    python -m benchmarks.warm_start            # the smoke profile, about 8 minutes on two cores
    python -m benchmarks.warm_start paper --pairs 1

Each pair runs all cells of the profile twice, with the warm process and without it, in an order that changes from pair
to pair. Both must write the same bytes, which is checked. Prints seconds and their ratio and writes them to
warm_start.md. Run it on a machine that does nothing else.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dvc.utils.serialize import load_yaml

from pipeline.commands.profile import apply_profile

DVC = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache", "--quiet"]
WARM = [sys.executable, "-m", "pipeline", "warm"]


def seconds(workspace: Path, warm: bool) -> float:
    """Seconds of a run of all cells of a workspace, with DVC's cache empty."""
    shutil.rmtree(workspace / ".dvc" / "cache", ignore_errors=True)
    start = time.perf_counter()
    command = [*(WARM if warm else []), *DVC]
    subprocess.run(command, cwd=workspace, env={**os.environ, "PYTHONPATH": "."}, check=True)
    return time.perf_counter() - start


def outputs(workspace: Path) -> dict[str, str]:
    """The md5 of every output that DVC knows, but for clocks, which differ from run to run."""
    stages = load_yaml(workspace / "dvc.lock")["stages"].values()
    known = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", []) if "md5" in out}
    return {path: md5 for path, md5 in known.items() if not path.startswith(("data/clocks", "reports/"))}


def measure(profile: str, pairs: int) -> tuple[int, list[tuple[float, float]]]:
    """Cells of the profile, and of every pair the seconds with the warm process and without."""
    with tempfile.TemporaryDirectory(prefix="warm-start-") as folder:
        workspace, rows = Path(folder), []
        apply_profile(profile, workspace)
        for pair in range(pairs):
            taken, written = {}, []
            for warm in (True, False) if pair % 2 == 0 else (False, True):
                taken[warm] = seconds(workspace, warm)
                written.append(outputs(workspace))
            if written[0] != written[1]:
                raise SystemExit("the two ways wrote different bytes")
            rows.append((taken[True], taken[False]))
            print(f"pair {pair + 1}: {taken[True]:.0f} s warm, {taken[False]:.0f} s without", flush=True)
        return len(load_yaml(workspace / "dvc.lock")["stages"]), rows


def table(profile: str, cells: int, rows: list[tuple[float, float]]) -> str:
    """The Markdown of warm_start.md."""
    saved = sum(cold - warm for warm, cold in rows) / len(rows)
    lines = [
        f"# `python -m pipeline warm dvc repro` on the profile `{profile}`",
        "",
        f"{cells} cells, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; made by "
        "`python -m benchmarks.warm_start`.",
        "",
        "| pair | warm (s) | without (s) | ratio |",
        "|---:|---:|---:|---:|",
        *(f"| {n} | {warm:.1f} | {cold:.1f} | {warm / cold:.2f} |" for n, (warm, cold) in enumerate(rows, 1)),
        "",
        f"The warm process saves {saved:.0f} s a run, {saved / cells:.1f} s a cell.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", nargs="?", default="smoke")
    parser.add_argument("--pairs", type=int, default=2)
    given = parser.parse_args()
    text = table(given.profile, *measure(given.profile, given.pairs))
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
