"""forecast: predict the transfer's label from cached features and training labels, before the head is trained."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.forecast.sample import stratified
from pipeline.forecast.score_inputs import ScoreInputs, standardised
from pipeline.forecast.vote import RANDOM, SOURCE, forecast, z_scores
from pipeline.networks.architectures import build_backbone
from pipeline.networks.flops import GIGA, forward_flops
from pipeline.networks.heads import build_head, set_precision
from pipeline.networks.saving import load_model
from pipeline.store.files import read_json, read_npy, read_parquet, replacing_folder, write_json
from pipeline.store.outs import ForecastPaths
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.folds import class_names, fold_parts, images_of
from pipeline.training.on_device import images_loader
from pipeline.training.pooled import pooled_features, pooling

BATCH = 256
MOST_IMAGES = 5000  # to train on: of more a part is scored, with as large a share of every class
Inputs = tuple[np.ndarray, np.ndarray | None]  # pooled features (n, d), and a head's outputs on them (n, s) or None


def training_rows(examples: pd.DataFrame, folds: int) -> np.ndarray:
    """Positions (n,) of the examples that some fold of the first repeat trains on, ascending."""
    return np.unique(np.concatenate([fold_parts(examples, fold, "none").train.positions for fold in range(folds)]))


def scored_rows(examples: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """Positions (n,) of the examples whose features are needed, ascending: all, but for too many to train on."""
    trained_on = training_rows(examples, folds)
    if len(trained_on) <= MOST_IMAGES:
        return np.arange(len(examples))
    return stratified(examples["label"].iloc[trained_on], trained_on, MOST_IMAGES, seed)


def with_outputs(features: np.ndarray, head: keras.Model | None) -> Inputs:
    """Features with the outputs of a head on them."""
    return features, None if head is None else head.predict(features, batch_size=BATCH, verbose=0)


def fold_z(
    by_weights: dict[str, Inputs], examples: pd.DataFrame, fold: int, permutations: int, seed: int
) -> dict[str, dict[str, float | None]]:
    """The z of every score on the training images of one fold, for the source's weights and for random ones."""
    train = fold_parts(examples, fold, "none").train
    groups = examples["group"].to_numpy()[train.positions]
    classes = len(class_names(examples))

    def known(features: np.ndarray, outputs: np.ndarray | None) -> ScoreInputs:
        own = None if outputs is None else outputs[train.positions].astype("float64")
        return ScoreInputs(standardised(features[train.positions]), groups, own, classes, seed)

    return {
        weights: z_scores(known(*inputs), train.labels, permutations, seed) for weights, inputs in by_weights.items()
    }


def features_of(backbone: keras.Model, images: Path, examples: pd.DataFrame) -> np.ndarray:
    """The pooled features (n, d) of the examples' images, as they are stored."""
    set_precision(backbone)
    load = images_loader(images, examples["row"].to_numpy(), "none")
    return pooled_features(pooling(backbone), load, np.arange(len(examples)))


def forecast_of(
    features: np.ndarray,
    head: keras.Model | None,
    untrained: np.ndarray,
    examples: pd.DataFrame,
    folds: Iterable[int],
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    """The forecast of a source's features and head, against those of the same network without training.

    Args:
        features, untrained: pooled features (n, d) of the examples.
        folds: in whose training images the scores are taken.
    """
    random_head = build_head(untrained.shape[1], head.output_shape[-1], 0.0, 0.0) if head else None
    by_weights = {SOURCE: with_outputs(features, head), RANDOM: with_outputs(untrained, random_head)}
    return forecast([fold_z(by_weights, examples, fold, permutations, seed_for(seed, "fold", fold)) for fold in folds])


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the source's features and the training images' labels, write the forecast."""
    transfer = params.transfers[name]
    keras.config.set_dtype_policy(params.run.precision)
    source, features = paths.source(transfer.source), paths.features(name)
    images = images_of(paths, transfer.target)
    every = read_parquet(paths.target(transfer.target).examples)
    seed = seed_for(params.run.seed, "forecast", name)
    scored = scored_rows(every, params.run.folds, seed)
    examples = every.iloc[scored].reset_index(drop=True)
    card = read_json(source.card)
    untrained = build_backbone(card["architecture"], read_npy(images).shape[1], seed, card["architecture_sha256"])
    reference = features_of(untrained, images, examples)
    head = load_model(source.head) if source.head.is_file() else None
    folds = progress(range(params.run.folds), total=params.run.folds, label=f"forecast {name}", unit="fold")
    pooled = read_npy(features.pooled)[scored]
    made = forecast_of(pooled, head, reference, examples, folds, params.forecast.permutations, seed)
    with replacing_folder(paths.forecast(name).folder) as folder:
        gflops = len(examples) * forward_flops(untrained) / GIGA
        write_json(ForecastPaths(folder).forecast, {**made, "gflops": gflops})
    part = f" (on {len(examples):,} images to train on)" if len(examples) < len(every) else ""
    return f"{made['label']}: {made['reason']}{part}"
