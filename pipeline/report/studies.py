"""Labels saved: the same transfer at growing shares of the labels, from the predictions that its questions kept."""

from collections.abc import Mapping

import pandas as pd

from pipeline.config.params import Params
from pipeline.results.result import Interval, Result, details_of
from pipeline.results.run import Study
from pipeline.store.seeds import seed_for
from pipeline.verdict.arms import Tested, tested_images
from pipeline.verdict.label_efficiency import efficiency
from pipeline.verdict.metrics import Array

IMAGES = ["image_id", "label", "fold"]


def fractions_of(params: Params, name: str) -> dict[str, float]:
    """The questions of a study with the share of the labels that their target has, ascending."""
    shares = {
        question: params.targets[params.questions[question].target].train_fraction or 1.0
        for question in params.studies[name].questions
    }
    return dict(sorted(shares.items(), key=lambda share: share[1]))


def study(name: str, results: Mapping[str, Result], predictions: Mapping[str, pd.DataFrame], params: Params) -> Study:
    """Work out a study of labels.

    Args:
        results, predictions: of its questions; predictions as `QuestionPaths.predictions`.

    Raises:
        ValueError: its questions were not tested on the same images in the same folds.
    """
    fractions, verdict = fractions_of(params, name), params.verdict
    tables = [predictions[question] for question in fractions]
    tested, arms = shared_arms(tables)
    against = results[next(iter(fractions))].against
    found = efficiency(
        tested,
        list(fractions.values()),
        arms,
        against,
        metric=verdict.metric,
        alpha=verdict.alpha,
        resamples=verdict.resamples,
        seed=seed_for(params.run.seed, "bootstrap", name),
    )
    gains = {arm: [_gain(results[question], arm) for question in fractions] for arm in found["times"]}
    images = [details_of(results[question]).labelled_images for question in fractions]
    controls = "failed" if any(results[question].controls for question in fractions) else None
    return Study.model_validate(
        {**found, "questions": list(fractions), "images": images, "gains": gains, "controls": controls}
    )


def shared_arms(tables: list[pd.DataFrame]) -> tuple[Tested, dict[str, list[Array]]]:
    """The tested images, and the probabilities (n, k) of the arms that all tables have, one a table.

    Arms are in the order of the first table: they are resampled in it.

    Raises:
        ValueError: the tables do not have the same images in the same folds.
    """
    by_arm = [{str(arm): rows for arm, rows in table.groupby("arm", sort=False)} for table in tables]
    first = next(iter(by_arm[0].values())).reset_index(drop=True)
    shared = [arm for arm in by_arm[0] if all(arm in arms for arms in by_arm)]
    for arms in by_arm:
        if not all(arms[arm][IMAGES].reset_index(drop=True).equals(first[IMAGES]) for arm in shared):
            raise ValueError("the questions of a study were not tested on the same images in the same folds")
    tested = tested_images(first)
    columns = [f"p_{name}" for name in tested.classes]
    return tested, {arm: [arms[arm][columns].to_numpy("float64") for arms in by_arm] for arm in shared}


def _gain(result: Result, arm: str) -> Interval:
    """The gain of an arm in its question's own verdicts, so that a report has one interval of it and not two."""
    verdict = details_of(result).verdicts[arm]
    return Interval(gain=verdict.gain, ci_low=verdict.ci_low, ci_high=verdict.ci_high)
