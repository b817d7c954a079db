"""The training of a baseline, from params to its out: from random weights, or from those of given statistics."""

from collections.abc import Callable
from pathlib import Path

from pipeline.arms.many import train_arm
from pipeline.arms.networks import ScratchNetwork
from pipeline.arms.spec import FoldSpec, sweep
from pipeline.arms.specs import fold_specs
from pipeline.config.params import Params
from pipeline.config.schema import Baseline
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths
from pipeline.training.folds import class_names, images_of


def train_baseline(
    params: Params,
    paths: Paths,
    baseline: Baseline,
    *,
    arm: str,
    kind: str,
    stage: str,
    name: str,
    statistics_of: Path | None = None,
) -> str:
    """Train all layers on a baseline's target, with the budget of `scratch`, and write the arm to models/kind/name.

    Args:
        statistics_of: a backbone whose weights the initial ones are a random order of; None: those of Keras. All else,
            seeds included, is the same.

    Returns:
        A line for the log.
    """

    def live(fold: int) -> Path:
        return paths.live(stage, name, fold)

    specs = baseline_specs(params, paths, baseline, live=live, statistics_of=statistics_of)
    return train_arm(specs, arm, paths.trained(kind, name), paths.kept(stage, name), {"target": baseline.target})


def baseline_specs(
    params: Params,
    paths: Paths,
    baseline: Baseline,
    *,
    live: Callable[[int], Path | None] = lambda fold: None,
    statistics_of: Path | None = None,
) -> list[FoldSpec]:
    """One spec a fold of a baseline; without `live` (the folder to log a fold in) nothing is logged as it trains."""
    examples = paths.target(baseline.target).examples
    network = ScratchNetwork(
        baseline.architecture,
        params.run.image_size,
        len(class_names(read_parquet(examples))),
        params.scratch.batch_norm_momentum,
        baseline.sha256,
        statistics_of,
    )
    return fold_specs(
        params.run,
        params.scratch,
        arm="scratch",
        examples=examples,
        kind="pixels",
        inputs=images_of(paths, baseline.target),
        networks=[network] * params.run.folds,
        settings=sweep(params.scratch.learning_rate),
        live=live,
        repeat=baseline.repeat,
    )
