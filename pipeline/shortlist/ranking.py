"""Rank sources for a target by the scores of stage `forecast`, before anything is trained; nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import keras
import pandas as pd

from pipeline.config.params import Params
from pipeline.forecast.sample import stratified
from pipeline.forecast.scores import SCORES
from pipeline.forecast.vote import SOURCE
from pipeline.networks.architectures import build_backbone
from pipeline.shortlist.candidates import Candidate, candidates
from pipeline.stages.forecast import features_of, forecast_of, training_rows
from pipeline.store.errors import InputError
from pipeline.store.files import read_npy, read_parquet
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.seeds import seed_for
from pipeline.training.folds import images_of

MOST_IMAGES = 2000  # to train on: of more a part is scored, with as large a share of every class


@dataclass(frozen=True)
class Ranked:
    """A source that fits.

    Attributes:
        candidate: the source.
        made: as `forecast` returns it: label, votes, and of every score the mean z of the source and of random weights.
        megabytes: of its backbone's weights.
        rank: mean over the scores that all sources have, of the source's place by the score; 1 is best, nan: no score.
    """

    candidate: Candidate
    made: dict[str, Any]
    megabytes: float
    rank: float = 0.0


@dataclass(frozen=True)
class Shortlist:
    """The sources that fit, best first; (name, reason) of the others; training images scored, and all of them.

    Attributes:
        counted: scores that every ranked source has, and that its rank is made of.
    """

    ranked: list[Ranked]
    counted: list[str]
    left_out: list[tuple[str, str]]
    scored: int
    images: int


def shortlist(params: Params, paths: Paths, target: str, workers: int) -> Shortlist:
    """Rank all sources that fit a target whose data are ingested and split.

    A score of a fold sees that fold's training images and their labels, as in stage `forecast`.

    Args:
        workers: batches at once, each on one core.

    Raises:
        InputError: the target's images are not those that it was split from.
    """
    keras.config.set_dtype_policy(params.run.precision)
    images, every = images_of(paths, target), read_parquet(paths.target(target).examples)
    seed = seed_for(params.run.seed, "shortlist", target)
    trained_on = training_rows(every, params.run.folds)
    chosen = stratified(every["label"].iloc[trained_on], trained_on, MOST_IMAGES, seed)
    scorer = _Scorer(params, every.iloc[chosen].reset_index(drop=True), read_npy(images).shape[1], seed, images)
    ranked, left_out = [], []
    found = list(candidates(params, paths, target, scorer.size))
    with joblib.parallel_config("threading", n_jobs=workers):
        for candidate in progress(found, total=len(found), label="shortlist", unit="source"):
            try:
                ranked.append(scorer.score(candidate))
            except InputError as error:
                left_out.append((candidate.name, str(error)))
    return Shortlist(ordered(ranked), counted(ranked), left_out, len(chosen), len(trained_on))


def counted(found: Sequence[Ranked]) -> list[str]:
    """The scores that every source has."""
    return [name for name in SCORES if all(each.made["scores"][name][SOURCE] is not None for each in found)]


def ordered(listed: Sequence[Ranked]) -> list[Ranked]:
    """Best first, by the mean of the places over scores; a score that some source does not have is left out."""
    names = counted(listed)
    table = pd.DataFrame([{name: each.made["scores"][name][SOURCE] for name in names} for each in listed], dtype=float)
    ranks = table.rank(ascending=False).mean(axis=1)
    placed = [Ranked(each.candidate, each.made, each.megabytes, rank) for each, rank in zip(listed, ranks, strict=True)]
    return sorted(placed, key=lambda each: each.rank)


@dataclass(frozen=True)
class _Scorer:
    params: Params
    examples: pd.DataFrame  # those that are scored
    size: int  # of the images, pixels
    seed: int
    images: Path  # images.npy

    def score(self, candidate: Candidate) -> Ranked:
        """Raises InputError where the source does not fit, or its features tell nothing."""
        backbone, head = candidate.load(self.size)
        entry, megabytes = candidate.entry, backbone.count_params() * 4 / 1e6
        features = features_of(backbone, self.images, self.examples)
        untrained = build_backbone(entry.architecture, self.size, self.seed, entry.sha256)
        reference, folds = features_of(untrained, self.images, self.examples), range(self.params.run.folds)
        permutations = self.params.forecast.permutations
        made = forecast_of(features, head, reference, self.examples, folds, permutations, self.seed)
        if all(score[SOURCE] is None for score in made["scores"].values()):
            raise InputError("no score is defined: its features of these images do not vary")
        return Ranked(candidate, made, megabytes)
