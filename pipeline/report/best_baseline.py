"""The gain over the best baseline of a target: what a transfer is worth to somebody who may train any network.

A transfer's label compares it with the same network from scratch. Another network may do better from scratch on few
images, so the advice compares it with the baseline that validation prefers, training by training.
"""

from collections.abc import Mapping

import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import VerdictParams
from pipeline.report.studies import shared_repeats, tested_rows
from pipeline.results.result import Advice, Result, details_of, reading_fields
from pipeline.store.probabilities import normalised
from pipeline.verdict.choice import Candidate, choose
from pipeline.verdict.comparison import judge
from pipeline.verdict.decision import Verdict, with_holm
from pipeline.verdict.metrics import Array

TEST = ["image_id", "fold"]  # identify a test of an image


def baselines_of(target: str, params: Params) -> dict[str, str]:
    """Baseline -> the question of most repeats whose reference it is, of a target; none that is trained once again."""
    asked = [(name, question) for name, question in params.questions.items() if question.target == target]
    asked.sort(key=lambda named: -(named[1].repeats or params.run.repeats))
    found: dict[str, str] = {}
    for name, question in asked:
        section, _, baseline = question.against.partition("/")
        if section == "baselines" and params.baselines[baseline].again == 0:
            found.setdefault(baseline, name)
    return found


def advice(results: Mapping[str, Result], predictions: Mapping[str, pd.DataFrame], params: Params) -> dict[str, Advice]:
    """Transfer question -> its gain over the best baseline; only of targets that have several baselines.

    Args:
        results, predictions: question -> its result, and the table of `QuestionPaths.predictions`.
    """
    judged: dict[str, tuple[Verdict, dict[str, int]]] = {}
    for name, result in results.items():
        baselines = baselines_of(result.target, params)
        if result.kind == "transfer" and not result.part_of and len(baselines) > 1:
            judged[name] = over_best(result, predictions[name], baselines, results, predictions, params.verdict)
    family = {name: verdict for name, (verdict, _) in judged.items() if not results[name].control}
    verdicts = {name: verdict for name, (verdict, _) in judged.items()} | with_holm(family)
    return {
        name: Advice(**reading_fields(verdicts[name]), baselines=judged[name][1], level=verdicts[name].level)
        for name in judged
    }


def over_best(
    result: Result,
    table: pd.DataFrame,
    baselines: Mapping[str, str],
    results: Mapping[str, Result],
    predictions: Mapping[str, pd.DataFrame],
    settings: VerdictParams,
) -> tuple[Verdict, dict[str, int]]:
    """The verdict on a transfer's judged arm over the best baseline, and in how many trainings each was the best."""
    asked = [results[question] for question in baselines.values()]
    tables = [_of_arm(predictions[q], each.against) for q, each in zip(baselines.values(), asked, strict=True)]
    own, *tables = shared_repeats([_of_arm(table, result.arm), *tables])
    tested = tested_rows(own)
    candidates = {
        baseline: Candidate(
            _probabilities(own[TEST].merge(rows, on=TEST, validate="1:1"), tested.classes),
            details_of(each).folds[each.against],
        )
        for baseline, rows, each in zip(baselines, tables, asked, strict=True)
    }
    best, chosen = choose(candidates, tested.fold)
    return judge(tested, _probabilities(own, tested.classes), best, settings, result.level), chosen


def _of_arm(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    return table[table["arm"] == arm]


def _probabilities(table: pd.DataFrame, classes: list[str]) -> Array:
    return normalised(table[[f"p_{name}" for name in classes]].to_numpy("float64"))
