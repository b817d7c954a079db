"""Label efficiency: the same transfer at growing shares of the labels, from its questions' saved predictions."""

from collections.abc import Mapping

import pandas as pd

from pipeline.config.params import Params
from pipeline.results.result import Interval, Result, details_of
from pipeline.results.run import Study
from pipeline.store.seeds import seed_for
from pipeline.verdict.arms import Tested
from pipeline.verdict.decision import Verdict
from pipeline.verdict.label_efficiency import efficiency
from pipeline.verdict.metrics import Array

IMAGES = ["image_id", "label", "fold"]


def fractions_of(params: Params, name: str) -> dict[str, float]:
    """The questions of a study with the share of the labels that their targets keep, ascending."""
    shares = {
        question: params.targets[params.questions[question].target].train_fraction or 1.0
        for question in params.studies[name].questions
    }
    return dict(sorted(shares.items(), key=lambda share: share[1]))


def study(name: str, results: Mapping[str, Result], predictions: Mapping[str, pd.DataFrame], params: Params) -> Study:
    """Estimate how many times the labels training from scratch needs to match the transfer, at each share.

    Args:
        results, predictions: question -> its result, and the table of `QuestionPaths.predictions`.

    Raises:
        ValueError: its questions were not tested on the same images in the same folds.
    """
    fractions, verdict = fractions_of(params, name), params.verdict
    tested, arms = shared_arms(shared_repeats([predictions[question] for question in fractions]))
    against = results[next(iter(fractions))].against
    found = efficiency(
        tested,
        list(fractions.values()),
        arms,
        against,
        metric=verdict.metric,
        alpha=results[next(iter(fractions))].level,
        seed=seed_for(params.run.seed, "study", name),
    )
    details = [details_of(results[question]) for question in fractions]
    gains = {arm: [_interval(each.verdicts[arm]) for each in details] for arm in found["times"]}
    images = [each.labelled_images for each in details]
    controls = "failed" if any(results[question].controls for question in fractions) else None
    return Study.model_validate(
        {**found, "questions": list(fractions), "images": images, "gains": gains, "controls": controls}
    )


def shared_arms(tables: list[pd.DataFrame]) -> tuple[Tested, dict[str, list[Array]]]:
    """The tested images, and the probabilities (n, k) of the arms that all tables have, one array a table.

    Arms keep the order of the first table, which is the order in which they are drawn.

    Raises:
        ValueError: the tables do not have the same images in the same folds.
    """
    by_arm = [{str(arm): rows for arm, rows in table.groupby("arm", sort=False)} for table in tables]
    first = next(iter(by_arm[0].values())).reset_index(drop=True)
    shared = [arm for arm in by_arm[0] if all(arm in arms for arms in by_arm)]
    for arms in by_arm:
        if not all(arms[arm][IMAGES].reset_index(drop=True).equals(first[IMAGES]) for arm in shared):
            raise ValueError("the questions of a study were not tested on the same images in the same folds")
    tested = tested_rows(first)
    columns = [f"p_{name}" for name in tested.classes]
    return tested, {arm: [arms[arm][columns].to_numpy("float64") for arms in by_arm] for arm in shared}


def shared_repeats(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables without the repeats that some lack, since a question may be judged at more than others."""
    last = min(table["repeat"].max() for table in tables)
    return [table[table["repeat"] <= last] for table in tables]


def tested_rows(table: pd.DataFrame) -> Tested:
    """The tested images of one arm's rows in a table of `QuestionPaths.predictions`."""
    names, images = sorted(table["label"].unique()), table["image_id"]
    return Tested(
        classes=names,
        labels=pd.Categorical(table["label"], categories=names).codes.astype("int64"),
        position=pd.Categorical(images, categories=images.unique()).codes.astype("int64"),
        **{name: table[name].to_numpy() for name in ("fold", "repeat", "group")},
        weights=table["weight"].to_numpy("float64"),
    )


def _interval(verdict: Verdict) -> Interval:
    """The gain as its own question reports it, so that the report has one interval for it and not two."""
    return Interval(gain=verdict.gain, ci_low=verdict.ci_low, ci_high=verdict.ci_high)
