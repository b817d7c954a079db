"""Where the time of a run goes, before and after a change: a table by stage.

    python -m benchmarks.default_run BEFORE AFTER --seconds 2356 1100

BEFORE and AFTER are workspaces in which the pipeline has run, one after the other on one machine; seconds are those of
the whole runs by the wall clock. Stages that do not compute with Keras have no clock, and are in the rest. Writes
default_run.md.
"""

import argparse
import platform
from pathlib import Path

import pandas as pd

from pipeline.store.files import read_json
from pipeline.store.paths import Paths

STAGES = ("pretrain", "extract", "forecast", "head", "tune", "scratch", "rescale", "adapt")


def by_stage(workspace: Path) -> pd.DataFrame:
    """Sums over the cells of each stage: cells, seconds by the wall clock, core seconds."""
    rows = []
    for stage in STAGES:
        clocks = [read_json(file) for file in sorted((Paths(workspace).clocks / stage).glob("*.json"))]
        sums = {key: sum(clock[key] for clock in clocks) for key in ("seconds", "cpu_seconds")}
        rows.append({"stage": stage, "cells": len(clocks), **sums})
    return pd.DataFrame(rows).set_index("stage").query("cells > 0")


def table(before: pd.DataFrame, after: pd.DataFrame, seconds: tuple[float, float]) -> str:
    """The Markdown of default_run.md."""
    lines = [
        "# Where the time of the default run goes",
        "",
        f"Two runs on one machine, {platform.machine()}, Python {platform.python_version()}; made by `python -m "
        "benchmarks.default_run`. Before, cells ran one after another on all cores. After, a training takes one core, "
        "and independent cells run at the same time, so that the seconds of cells overlap; core seconds do not.",
        "",
        "| stage | cells | seconds before | after | core seconds before | after | ratio of core seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for stage, old in before.iterrows():
        new = after.loc[stage]
        figures = [old["seconds"], new["seconds"], old["cpu_seconds"], new["cpu_seconds"]]
        ratio = new["cpu_seconds"] / old["cpu_seconds"]
        lines.append(
            f"| {stage} | {old['cells']:.0f} | " + " | ".join(f"{f:,.0f}" for f in figures) + f" | {ratio:.2f} |"
        )
    rest = seconds[0] - before["seconds"].sum()
    lines += [
        f"| other stages, DVC and start-up | | {rest:,.0f} | | | | |",
        f"| **the whole run** | | **{seconds[0]:,.0f}** | **{seconds[1]:,.0f}** | | | "
        f"**{seconds[1] / seconds[0]:.2f} of the wall clock** |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--seconds", type=float, nargs=2, required=True, help="of the whole runs")
    given = parser.parse_args()
    text = table(by_stage(given.before), by_stage(given.after), tuple(given.seconds))
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
