"""Had training from scratch converged? Every baseline of a run once more, with twice its epochs.

    python -m benchmarks.convergence WORKSPACE --rows CSV    # about 20 minutes on two cores; rewrites the .md

WORKSPACE is a folder in which the default run was made. A baseline is trained anew with TIMES as many
`scratch.epochs` (the cosine stretched over them, the patience as long), all else the same, seeds included. The gain of
the longer training over that of the run is judged as that of a transfer is. Nothing is chosen by it: the budget is what
the default run's time allows, and this tells what that may have cost.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from benchmarks.rows import arguments, fill
from pipeline.arms.baseline import baseline_specs
from pipeline.arms.train import train_fold
from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.config.schema import Baseline
from pipeline.networks.device import use_device
from pipeline.store.files import read_json, read_parquet
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.verdict.arms import aligned, arm_metrics, tested_images
from pipeline.verdict.comparison import judge

TIMES = (2,)
HEAD = """# Had training from scratch converged?

Written by `python -m benchmarks.convergence`, which also says what is run: the baselines of the default run with 1
(the run itself) and 2 times its epochs. `kept`: the epoch of each fold that validation chose. `validation loss`: at
those epochs, mean over folds. `gain`: of the longer training over the run's, on tested images, with the interval and p
of a verdict.
"""
CONCLUSION = """
With twice its epochs no baseline was better on tested images: all six came out a little worse, none of them by more
than chance allows, and the intervals leave room for .02 to .06 more. The validation losses at the chosen epochs fell by
1 to 6 %, and rose in one. So there is no sign that a larger budget would have made scratch a harder opponent; with one
seed each, that is no proof.
"""


def longer(params: Params, times: int) -> Params:
    """The same params with `times` the epochs for scratch, and the patience to use them."""
    scratch = params.scratch.model_copy(
        update={"epochs": params.scratch.epochs * times, "patience": params.scratch.patience * times}
    )
    return params.model_copy(update={"scratch": scratch})


def trained(
    params: Params, paths: Paths, baseline: Baseline
) -> tuple[pd.DataFrame, list[dict[str, Any]], pd.DataFrame]:
    """Train a baseline: its predictions, the cost of each fold, its history."""
    results = [train_fold(spec) for spec in baseline_specs(params, paths, baseline)]
    predictions, history = (
        pd.concat([getattr(result, table) for result in results], ignore_index=True)
        for table in ("predictions", "history")
    )
    return predictions, [result.cost for result in results], history


def kept_loss(history: pd.DataFrame, cost: dict[str, Any]) -> float:
    """The validation loss of the epoch that a fold kept."""
    kept = history[(history["fold"] == cost["fold"]) & history["chosen"] & (history["epoch"] == cost["kept_epoch"])]
    return float(kept["val_loss"].iloc[0])


def row_of(name: str, times: int, params: Params, paths: Paths) -> dict[str, Any]:
    """One line of the table; `times` 1 is what the run itself has left."""
    baseline, own = params.baselines[name], paths.trained("baselines", name).arm("scratch")
    examples = read_parquet(paths.target(baseline.target).examples)
    tested = tested_images(examples)
    first = read_parquet(own.predictions)
    if times == 1:
        predictions, costs, history = first, read_json(own.cost)["folds"], pd.read_csv(own.history)
    else:
        predictions, costs, history = trained(longer(params, times), paths, baseline)
    probabilities = aligned(predictions, examples, tested.classes)
    row = {
        "baseline": name,
        "epochs": params.scratch.epochs * times,
        "kept": " ".join(str(cost["kept_epoch"]) for cost in costs),
        "validation loss": float(np.mean([kept_loss(history, cost) for cost in costs])),
        "GFLOPs": sum(cost["gflops"] for cost in costs),
        "quality": arm_metrics(tested, probabilities)[params.verdict.metric],
    }
    if times > 1:
        against = aligned(first, examples, tested.classes)
        seed = seed_for(params.run.seed, "bootstrap", name)
        verdict = judge(tested, probabilities, against, params.verdict, seed)
        row |= {key: getattr(verdict, key) for key in ("gain", "ci_low", "ci_high", "p")}
    return row


def write(rows: list[dict[str, Any]], metric: str) -> None:
    """Write the rows that are there, by baseline and budget."""
    titles = ["baseline", "epochs", "kept", "validation loss", "GFLOPs", metric.replace("_", " "), "gain", "p"]
    lines = [HEAD, f"| {' | '.join(titles)} |", "|---|---:|---|---:|---:|---:|---|---:|"]
    for row in sorted(rows, key=lambda row: (row["baseline"], row["epochs"])):
        judged = not pd.isna(row.get("gain", np.nan))
        gain = f"{row['gain']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]" if judged else ""
        cells = [row["baseline"], f"{row['epochs']}", row["kept"], f"{row['validation loss']:.3f}"]
        cells += [f"{row['GFLOPs']:,.0f}", f"{row['quality']:.3f}", gain, f"{row['p']:.2f}" if judged else ""]
        lines.append(f"| {' | '.join(cells)} |")
    Path(__file__).with_suffix(".md").write_text("\n".join([*lines, CONCLUSION]), encoding="utf-8")


def main() -> None:
    """Fill the table and write it beside this file."""
    options = arguments(__doc__)
    paths = Paths(options.workspace.resolve())
    params = load_params(paths.params)
    use_device(params.run.device)
    times = {params.scratch.epochs * times: times for times in (1, *TIMES)}
    keys = [{"baseline": name, "epochs": epochs} for epochs in times for name in params.baselines]
    fill(
        keys,
        lambda key: row_of(key["baseline"], times[key["epochs"]], params, paths),
        options.rows,
        lambda rows: write(rows, params.verdict.metric),
    )


if __name__ == "__main__":
    main()
