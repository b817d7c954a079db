"""Are the figures of fused layers those of Keras' layers but for rounding? Both, over several seeds.

    python -m benchmarks.rounding              # in a folder where the pipeline has run; about 15 minutes on two cores

Trains arms of the default run by `run.kernels: keras` and by `fused`, each fold of the first repeat under several
seeds, and compares balanced accuracy on test images. Where the two differ by rounding alone, their difference is noise
around 0, and no wider than the difference between two seeds of one of them. Writes rounding.md.
"""

import argparse
import itertools
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from pipeline.arms.baseline import baseline_specs
from pipeline.arms.spec import FoldSpec
from pipeline.arms.train import train_fold
from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.networks.device import use_device
from pipeline.runner.workers import parallel_trainings
from pipeline.stages.tune import tune_specs
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for

KERNELS = ("keras", "fused")


def scratch(params: Params, paths: Paths, name: str) -> list[FoldSpec]:
    """The specs of a baseline."""
    return baseline_specs(params, paths, params.baselines[name], f"baselines/{name}")


ARMS = {
    "ResNet-8 from scratch, few-labels": partial(scratch, name="few-labels-resnet8"),
    "ResNet-8 fine-tuned in all layers, few-labels": partial(tune_specs, name="cells-to-defects"),
    "Lite0 fine-tuned in six blocks, few-labels-anywhere": partial(tune_specs, name="imagenet-to-defects"),
}


def quality(arm: str, spec: FoldSpec, seed: int, kernels: str) -> dict[str, object]:
    """One training: its balanced accuracy on test images, and the epoch that it kept."""
    plan = replace(spec.plan, seed=seed_for(spec.plan.seed, "rounding", seed))
    result = train_fold(replace(spec, plan=plan, kernels=kernels))
    table = result.predictions
    classes = [name.removeprefix("p_") for name in table if name.startswith("p_")]
    answers = np.array(classes)[table[[f"p_{name}" for name in classes]].to_numpy().argmax(1)]
    score = balanced_accuracy_score(table["label"], answers)
    row = {"arm": arm, "fold": spec.fold, "seed": seed, "kernels": kernels}
    return {**row, "quality": score, "kept_epoch": result.cost["kept_epoch"]}


def table(rows: pd.DataFrame) -> str:
    """The Markdown of rounding.md."""
    lines = [
        "# Fused layers against Keras' layers, over seeds",
        "",
        f"Balanced accuracy on test images, {rows['seed'].nunique()} seeds of {rows['fold'].nunique()} folds an arm; "
        f"{platform.machine()}; made by `python -m benchmarks.rounding`. The interval is Student's over seeds (means "
        "over folds).",
        "",
        "| arm | Keras | fused | difference [95% interval] | standard deviation of the difference of one training | "
        "of two seeds of Keras |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for arm, own in rows.groupby("arm", sort=False):
        wide = own.pivot_table(index=["seed", "fold"], columns="kernels", values="quality")
        each = wide["fused"] - wide["keras"]
        by_seed = each.groupby("seed").mean()
        half = stats.t.ppf(0.975, len(by_seed) - 1) * by_seed.std() / np.sqrt(len(by_seed))
        between = np.sqrt(2) * wide["keras"].groupby("fold").std().mean()
        lines.append(
            f"| {arm} | {wide['keras'].mean():.4f} | {wide['fused'].mean():.4f} | {by_seed.mean():+.4f} "
            f"[{by_seed.mean() - half:+.4f}, {by_seed.mean() + half:+.4f}] | {each.std():.4f} | {between:.4f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path, default=Path())
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    paths = Paths(given.workspace)
    params = load_params(paths.params)
    use_device(params.run.device)

    def first(specs: Callable[[Params, Paths], list[FoldSpec]]) -> list[FoldSpec]:
        return specs(params, paths)[: params.run.folds]

    trainings = [
        joblib.delayed(quality)(arm, spec, seed, kernels)
        for arm, specs in ARMS.items()
        for spec, seed, kernels in itertools.product(first(specs), range(given.seeds), KERNELS)
    ]
    with parallel_trainings(params.run.workers):
        rows = pd.DataFrame(joblib.Parallel(batch_size=1, verbose=1)(trainings))
    text = table(rows)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
