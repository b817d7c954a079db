"""evaluate: compare two arms on one target: gain, evidence, and the compute of each."""

import hashlib
from pathlib import Path

import pandas as pd

from pipeline.arms.reading import read_arms
from pipeline.config.params import Params
from pipeline.config.schema import VerdictParams
from pipeline.results.assemble import assemble, predictions_table
from pipeline.results.result import details_of, write_result
from pipeline.store.files import (
    read_json,
    read_parquet,
    replacing_folder,
    write_csv,
    write_json,
    write_parquet,
)
from pipeline.store.outs import QuestionPaths
from pipeline.store.paths import Paths
from pipeline.verdict.arms import Tested, plot_tables, tested_images
from pipeline.verdict.comparison import Comparison, compare, in_words
from pipeline.verdict.cost_curve import saving_curve
from pipeline.verdict.spending import learning_curves


def plot_rows(compared: Comparison, settings: VerdictParams) -> dict[str, pd.DataFrame]:
    """The rows of every plot; those of training only where all arms were trained epoch by epoch.

    Plots of predictions are of the first repeat, in which every image is tested once: their rows are committed.
    """
    first = compared.tested.repeat == 0
    predicted = {name: values[first] for name, values in compared.probabilities.items()}
    rows = plot_tables(compared.tested.rows(first), predicted)
    if all(arm.trajectory is not None for arm in compared.all_arms.values()):
        rows["learning_curves"] = learning_curves(compared.arms, compared.against)
        tested, examples = compared.tested, compared.examples
        rows["saving"] = saving_curve(tested, examples, compared.arms, compared.against, settings.metric)
    return rows


def read_candidates(file: Path, tested: Tested) -> pd.DataFrame:
    """The candidates of an adaptation in the folds that are judged."""
    table = pd.read_csv(file)
    return table[table["fold"].isin(tested.fold)]


def earlier_repeats(record: Path, compared: Comparison) -> list[int]:
    """The smaller numbers of repeats at which these very trainings were judged before; this one is then on record.

    More repeats after a verdict was seen are a second chance. The record is kept beside the trainings in the store; its
    key is what the first repeat predicted, so that other settings begin a record of their own.
    """
    first = compared.tested.repeat == 0
    seen = hashlib.sha256(b"".join(values[first].tobytes() for values in compared.probabilities.values())).hexdigest()
    judged: dict[str, list[int]] = read_json(record) if record.is_file() else {}
    repeats = compared.tested.repeats
    write_json(record, judged | {seen: sorted({*judged.get(seen, []), repeats})})
    return [count for count in judged.get(seen, []) if count < repeats]


def run(params: Params, paths: Paths, name: str) -> str:
    """Read both sides' predictions, histories and counts, write the result and the rows of plots."""
    question = params.questions[name]
    side, other = (paths.trained(*reference.split("/")) for reference in (question.arm, question.against))
    examples = read_parquet(paths.target(question.target).examples)
    tested, facts = tested_images(examples, question.repeats or params.run.repeats), read_json(side.facts)
    arms, against = (read_arms(files, examples, tested) for files in (side, other))
    compared = compare(tested, examples, arms, against, facts["judged"])
    rows = plot_rows(compared, params.verdict)
    candidates = read_candidates(side.candidates, tested) if side.candidates.exists() else None
    earlier = earlier_repeats(paths.judged(name), compared)
    result = assemble(question, compared, facts, candidates, rows.get("saving"), params.verdict, earlier)
    with replacing_folder(paths.question(name).folder) as folder:
        written = QuestionPaths(folder)
        write_result(written.result, result)
        write_parquet(written.predictions, predictions_table(compared))
        for plot, table in rows.items():
            write_csv(written.plot(plot), table)
    return in_words(details_of(result).verdicts[compared.arm])
