"""What larger images bring and cost: a table from a run of the profile `resolution`.

    make profile NAME=resolution               # about 80 minutes on two cores
    python -m benchmarks.resolution            # reads runs/resolution, writes resolution.md

Four targets that differ in image_size alone, on the same folds: balanced accuracy of the linear probe, the fine-tuned
network and the same network from scratch, with minutes of one core.
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.config.loading import load_params
from pipeline.store.files import read_json
from pipeline.store.paths import Paths

ARMS = {"head": ("extract", "head"), "tuned": ("extract", "head", "tune"), "scratch": ("scratch",)}  # and its steps


def row(size: int, result: dict[str, Any], clocks: dict[str, Any]) -> str:
    """One line of the table."""
    qualities = [f"{result['arms'][arm][metric]:.3f}" for arm in ARMS for metric in ("balanced_accuracy", "roc_auc")]
    minutes = [f"{sum(clocks[step]['cpu_seconds'] for step in steps) / 60:.1f}" for steps in ARMS.values()]
    gain = f"{result['gain']:+.3f} [{result['ci_low']:+.3f}, {result['ci_high']:+.3f}]"
    return "| " + " | ".join([str(size), *qualities, gain, *minutes]) + " |"


def table(paths: Paths) -> str:
    """The Markdown of resolution.md."""
    params, metrics, cost = load_params(paths.params), read_json(paths.report_metrics), read_json(paths.report_cost)
    sizes = {name: params.targets[question.target].image_size or 0 for name, question in params.questions.items()}
    arms = [f"{arm}, {metric}" for arm in ARMS for metric in ("balanced accuracy", "AUC")]
    heads = ["pixels", *arms, "gain of tuned over scratch [95% interval]", *(f"{arm}, core minutes" for arm in ARMS)]
    lines = [
        "# Image size",
        "",
        f"EfficientNet-Lite0 on ELPV, {params.run.folds} {params.run.protocol} folds, the same at every size, seed "
        f"{params.run.seed}; made by `make profile NAME=resolution` and `python -m benchmarks.resolution`.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---:|" * len(heads),
        *(row(size, metrics[name], cost[name]) for name, size in sorted(sizes.items(), key=lambda item: item[1])),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path, default=Path("runs/resolution"))
    text = table(Paths(parser.parse_args().workspace))
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
