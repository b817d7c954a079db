"""Unsupervised model selection: adapt by every method and choose one candidate a fold, without target labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.adaptation.criteria import Criterion, Trial
from pipeline.adaptation.problem import Adapted, Images, Source, unadapted
from pipeline.config.schema import Adapt
from pipeline.registry.adaptation import ADAPTATION
from pipeline.registry.criteria import CRITERIA
from pipeline.store.errors import InputError
from pipeline.store.places import load

SOURCE_ONLY = "source_only"  # the unadapted source, which is a candidate too

Candidate = tuple[str, float, Adapted]  # method, strength (nan where it has none), adapted source


@dataclass(frozen=True)
class Parts:
    """Unlabelled images of one fold of a target: for training, for model selection and for testing."""

    train: Images
    validation: Images
    test: Images


@dataclass(frozen=True)
class Chosen:
    """Result of one fold.

    `candidates`: one row a method and strength: method, strength (nan where there is none), criterion, chosen. The
    first is the unadapted source. `tested`: probabilities (n, k) of the test part by every candidate. `cost`: counts.
    """

    candidates: pd.DataFrame
    tested: list[np.ndarray]
    cost: dict[str, Any]

    @property
    def source_only(self) -> np.ndarray:
        """Probabilities (n, k) of the test part by the unadapted source."""
        return self.tested[0]

    @property
    def adapted(self) -> np.ndarray:
        """Probabilities (n, k) of the test part by the chosen candidate."""
        return self.tested[int(np.argmax(self.candidates["chosen"]))]

    def by(self, method: str) -> np.ndarray | None:
        """Probabilities (n, k) of the test part by a method, at its first strength; None if it was not tried."""
        places = np.flatnonzero(self.candidates["method"] == method)
        return self.tested[places[0]] if len(places) else None


def strengths(name: str, settings: Adapt) -> list[float]:
    """The strengths to try of a method; nan alone where it has none."""
    return settings.strength if ADAPTATION[name].strengths else [np.nan]


def count_candidates(settings: Adapt) -> int:
    """The number of candidates of a fold, with the unadapted source."""
    return 1 + sum(len(strengths(name, settings)) for name in settings.methods)


def choose(
    source: Source,
    folds: list[Parts],
    settings: Adapt,
    seed: Callable[[int, str], int],
    step: Callable[[], Any] = lambda: None,
) -> list[Chosen]:
    """Adapt the source to every fold by every method and strength, and choose the candidate of the highest criterion.

    The criterion sees the training and validation parts. All candidates predict the test part, so that the loss by the
    choice can be measured. Ties go to the first; the unadapted source comes first.

    Args:
        folds: the target's images. settings: the section adapt of params.yaml.
        seed: of a fold's number and a method; strengths share it.
        step: called twice a candidate and fold, when it is adapted and when it has been judged.

    Raises:
        InputError: a method gave nan, or does not apply to this source.
    """
    criterion: Criterion = load(CRITERIA[settings.criterion])
    tried = adapt_all(source, folds, settings, seed, step)
    return [choose_one(source, parts, tried[fold], criterion, step) for fold, parts in enumerate(folds)]


def adapt_all(
    source: Source, folds: list[Parts], settings: Adapt, seed: Callable[[int, str], int], step: Callable[[], Any]
) -> list[list[Candidate]]:
    """All candidates of every fold, the unadapted source first; a method is prepared once for all folds."""
    tried: list[list[Candidate]] = [[(SOURCE_ONLY, np.nan, unadapted(source))] for _ in folds]
    for _ in folds:
        step()
    for name in settings.methods:
        adapt = load(ADAPTATION[name].prepare)(source, settings)
        for fold, parts in enumerate(folds):
            for strength in strengths(name, settings):
                tried[fold].append((name, strength, adapt(parts.train, strength, seed(fold, name))))
                step()
    return tried


def choose_one(
    source: Source, parts: Parts, candidates: list[Candidate], criterion: Criterion, step: Callable[[], Any]
) -> Chosen:
    """Choose among the candidates of one fold by the criterion, and predict the test part by all."""
    values, tested = [], []
    for _, _, adapted in candidates:
        values.append(criterion(Trial(source, adapted, parts.train, parts.validation)))
        tested.append(adapted.predict(parts.test))
        step()
    _check_finite(values, candidates)
    best = int(np.argmax(values))
    table = pd.DataFrame([row[:2] for row in candidates], columns=["method", "strength"])
    table = table.assign(criterion=values, chosen=np.arange(len(values)) == best)
    return Chosen(table, tested, _cost(candidates, best, parts))


def _check_finite(values: list[float], candidates: list[Candidate]) -> None:
    lost = [
        f"{method} at strength {strength:g}"
        for value, (method, strength, _) in zip(values, candidates, strict=True)
        if not np.isfinite(value)
    ]
    if lost:
        raise InputError(
            f"Adapting by {', '.join(lost)} gave no numbers. Lower adapt.learning_rate or adapt.strength, or take the "
            "method out of adapt.methods."
        )


def _cost(candidates: list[Candidate], best: int, parts: Parts) -> dict[str, Any]:
    """Counts of one fold: of the chosen candidate, and of all."""
    method, strength, chosen = candidates[best]
    return {
        "method": method,
        "strength": None if np.isnan(strength) else strength,
        "candidates": len(candidates),
        "train_images": len(parts.train.positions),
        "gflops_chosen": chosen.gflops,
        "gflops": sum(adapted.gflops for _, _, adapted in candidates),
        "backward_gflops": sum(adapted.backward_gflops for _, _, adapted in candidates),
    }
