"""head (steps 1 and 3, add and train the end): a linear probe on the cached features of the frozen backbone."""

from typing import Any

import pandas as pd

from pipeline.arms.networks import HeadNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.specs import fold_specs
from pipeline.arms.train import train_arm
from pipeline.config.params import Params
from pipeline.networks.flops import GIGA
from pipeline.store.files import read_json, read_npy
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.store.roles import examples_of, fold_count, trained_by_repeat
from pipeline.training.folds import class_names


def extraction_gflops(cost: dict[str, Any], examples: pd.DataFrame) -> float:
    """GFLOPs of the extraction, each repeat priced as if run alone: all images, those that it trains on in all views.

    Args:
        cost: of `extract`. examples: with the folds that the transfer is trained on.
    """
    repeats = trained_by_repeat(examples)
    other_views = max(cost["views"] - 1, 0) * sum(int(trained.sum()) for trained in repeats)
    flops: int = len(repeats) * cost["images"] * cost["image_flops"] + other_views * cost["view_flops"]
    return flops / GIGA


def run(params: Params, paths: Paths, name: str) -> str:
    """Read features and folds, write a head a fold with its predictions, history and cost.

    The cost of every fold has the sha256 of the forecast that was made before the head was trained.
    """
    target = paths.target(params.transfers[name].target)
    features, forecast = paths.features(name), paths.forecast(name)
    table = examples_of(target, f"transfers/{name}")
    network = HeadNetwork(read_npy(features.pooled).shape[1], len(class_names(table)))
    specs = fold_specs(
        params.run,
        params.head,
        arm="head",
        examples=target.examples,
        kind="features",
        inputs=features.pooled,
        networks=[network] * fold_count(table),
        settings=sweep(params.head.learning_rate, params.head.l2),
        live=lambda fold: paths.live("head", name, fold),
        forecast=forecast.forecast,
    )
    facts = params.transfers[name].model_dump(include={"setting", "source", "target"})
    out, store = paths.trained("heads", name), Store(paths.store)
    extracted = extraction_gflops(read_json(features.cost), table)
    return train_arm(specs, "head", out, store, f"head@{name}", facts, before_gflops=extracted)
