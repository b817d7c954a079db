"""Train a baseline: the same network from random weights, or from shuffled pretrained weights (see rescaling.py)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.arms.networks import ScratchNetwork
from pipeline.arms.spec import FoldSpec, sweep
from pipeline.arms.specs import fold_specs
from pipeline.arms.train import train_arm
from pipeline.config.params import Params
from pipeline.config.schema import Baseline
from pipeline.store.files import read_npy
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.store.roles import examples_of, fold_count
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
    statistics_from: Path | None = None,
) -> str:
    """Train all layers on a baseline's target by the settings of `scratch`, and write the arm to models/kind/name.

    Args:
        statistics_from: a backbone whose shuffled weights are the initial ones; None for Keras' own initialisation.
            Everything else, seeds included, is the same.

    Returns:
        A line for the log.
    """
    live = partial(paths.live, stage, name)
    trained = f"{kind}/{name}"
    specs = baseline_specs(params, paths, baseline, trained, live=live, statistics_from=statistics_from)
    return train_arm(
        specs, arm, paths.trained(kind, name), Store(paths.store), f"{stage}@{name}", {"target": baseline.target}
    )


def baseline_specs(
    params: Params,
    paths: Paths,
    baseline: Baseline,
    trained: str,
    *,
    live: Callable[[int], Path | None] = lambda fold: None,
    statistics_from: Path | None = None,
) -> list[FoldSpec]:
    """One spec per fold of a baseline.

    Args:
        trained: baselines/NAME or rescaled/NAME. live: the folder of a fold's live log, by default none.
    """
    target, images = paths.target(baseline.target), images_of(paths, baseline.target)
    table = examples_of(target, trained)
    network = ScratchNetwork(
        baseline.architecture,
        read_npy(images).shape[1],
        len(class_names(table)),
        params.scratch.batch_norm_momentum,
        baseline.sha256,
        statistics_from,
    )
    return fold_specs(
        params.run,
        params.scratch,
        arm="scratch",
        examples=target.examples,
        kind="pixels",
        inputs=images,
        networks=[network] * fold_count(table),
        settings=sweep(params.scratch.learning_rate),
        live=live,
        again=baseline.again,
    )
