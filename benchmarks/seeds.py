"""Do the labels of the default run depend on its seed? The same params.yaml under several values of `run.seed`.

    python -m benchmarks.seeds FOLDER --seeds 7 8 9    # about half an hour a seed on two idle cores; rewrites the .md

Every seed has a clone of its own in FOLDER, in which finished stages stay: a second call trains only what is missing.
A seed redraws the divisions into folds, the labelled subsets, validation parts, weights and batches of every arm; the
images are the same, so that the runs are not independent of one another.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dvc.utils.serialize import modify_yaml

from pipeline.results.result import Result
from pipeline.results.run import Run
from pipeline.store.files import read_json

ROOT = Path(__file__).parents[1]
HEAD = """# The default run under several seeds

Written by `python -m benchmarks.seeds`. Gains in {metric} with {confidence:.0%} intervals; **bold**: conclusive after
Holm's adjustment. A seed redraws divisions, labelled subsets, weights and batches; the images are the same.

"""


def finished(folder: Path, seed: int) -> Run:
    """The results of the default run under a seed, run in a clone where they are missing or stale."""
    clone = folder / f"seed-{seed}"
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    with modify_yaml(clone / "params.yaml") as params:
        params["run"]["seed"] = seed
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone)}
    subprocess.run([sys.executable, "-m", "pipeline", "repro"], cwd=clone, env=environment, check=True)
    return Run.from_metrics(read_json(clone / "reports" / "metrics.json"))


def cell(result: Result) -> str:
    """The gain of a question in one run."""
    if result.gain is None or result.ci_low is None or result.ci_high is None:
        return "undefined"
    gain = f"{result.gain:+.3f}"
    gain = f"**{gain}**" if result.evidence == "conclusive" else gain
    return f"{gain} [{result.ci_low:+.3f}, {result.ci_high:+.3f}]"


def agreement(results: list[Result]) -> str:
    """What the runs say together: the evidence of each, and whether a sign that one found conclusive is that of all."""
    conclusive = [result for result in results if result.evidence == "conclusive"]
    if not conclusive:
        return "conclusive in none"
    signs = {result.label for result in results}
    return f"conclusive in {len(conclusive)}, {'one sign' if len(signs) == 1 else 'signs differ'}"


def table(runs: Mapping[int, Run]) -> str:
    """The Markdown of seeds.md, without its conclusion."""
    facts = next(iter(runs.values())).facts
    lines = [
        f"| question | {' | '.join(f'seed {seed}' for seed in runs)} | together |",
        f"|---|{'---|' * len(runs)}---|",
    ]
    for name, first in next(iter(runs.values())).results.items():
        results = [run.results[name] for run in runs.values()]
        control = f" (control: {first.control.replace('_', ' ')})" if first.control else ""
        lines.append(f"| {name}{control} | {' | '.join(map(cell, results))} | {agreement(results)} |")
    controls = ", ".join(f"seed {seed}: {run.facts.controls}" for seed, run in runs.items())
    lines += ["", f"Controls: {controls}."]
    return HEAD.format(metric=facts.metric.replace("_", " "), confidence=1 - facts.alpha) + "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing and write the table beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    runs = {seed: finished(given.folder.resolve(), seed) for seed in given.seeds}
    Path(__file__).with_suffix(".md").write_text(table(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
