"""`python -m pipeline plan`: the gain that each question could detect with more repeats or groups, and the minutes.

Variances are those measured in the last run; where there is none, guesses that are said to be such.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.config.loading import load_params
from pipeline.config.params import Params
from pipeline.config.schema import Question
from pipeline.report.spending import steps
from pipeline.report.words import impractical, number
from pipeline.results.result import details_of, read_result
from pipeline.results.run import Run
from pipeline.runner.workers import trainings_at_once
from pipeline.store.files import read_json
from pipeline.store.kept import Store
from pipeline.store.outs import KeptFoldPaths
from pipeline.store.paths import Paths
from pipeline.verdict.looks import nominal_level
from pipeline.verdict.planning import MOST, smallest_detectable_gain
from pipeline.verdict.t_test import Components

REPEATS, MORE_GROUPS = (3, 5, 10), 2
# A target of 20 groups with the variances of ELPV's pools, in squared balanced accuracy: the first world of
# benchmarks/simulate_verdict.py
GUESS = Components(
    groups=20,
    folds=3,
    repeats=5,
    groups_variance=3.6e-4,
    groups_degrees=17,
    training_variance=1.7e-4,
    seed_variance=2.9e-3,
    redrawn_variance=1.0e-3,
    lasting_variance=1.6e-4,
)


def components_of(params: Params, paths: Paths) -> dict[str, Components]:
    """Question -> the variances of its gain, of those that were judged over several repeats in the last run."""
    found = {}
    for name in params.questions:
        file = paths.question(name).result
        if file.is_file():
            result = read_result(file)
            components = details_of(result).verdicts[result.arm].components
            if components is not None:
                found[name] = components
    return found


def impractical_questions(params: Params, paths: Paths) -> list[str]:
    """Questions of the last report whose gain nobody would get to show, each with that gain."""
    if not paths.report_metrics.is_file():
        return []
    results = Run.from_metrics(read_json(paths.report_metrics)).results
    return [
        f"{name} ({result.gain:+.3f})"
        for name, result in results.items()
        if name in params.questions and result.gain is not None and impractical(result)
    ]


def seconds_of_cells(store: Store) -> dict[str, float]:
    """Cell (STAGE@NAME) -> seconds of one of its trainings, mean over those in the store."""
    times = defaultdict(list)
    for entry in store.entries():
        clock = KeptFoldPaths(entry.folder).clock
        if clock.is_file():
            content = read_json(clock)
            times[content["cell"]].append(content["seconds"])
    return {cell: sum(seconds) / len(seconds) for cell, seconds in times.items()}


def minutes(params: Params, question: Question, seconds: Mapping[str, float], repeats: int) -> float | None:
    """Minutes of all trainings of a question at so many repeats, on this machine; None where none was timed."""
    cells = [f"{stage}@{name}" for stage, name in steps(params, question).values()]
    timed = [seconds[cell] for cell in cells if cell in seconds]
    trainings = repeats * params.run.folds
    return sum(timed) * trainings / trainings_at_once(params.run) / 60 if timed else None


def print_plan(root: Path = Path(), console: Console | None = None) -> None:
    """Print a row a question: the smallest detectable gain at several repeats and with more groups, and the minutes."""
    paths, console = Paths(root), console or Console()
    params = load_params(paths.params)
    known, seconds = components_of(params, paths), seconds_of_cells(Store(paths.store))
    alpha = nominal_level(params.verdict.alpha, params.verdict.looks)
    family = max(1, sum(not (question.control or question.part_of) for question in params.questions.values()))
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("question", overflow="fold")
    titles = [f"R={repeats}" for repeats in REPEATS]
    for title in (*titles, f"R={REPEATS[-1]}, {MORE_GROUPS}G", *(f"min R={repeats}" for repeats in REPEATS)):
        table.add_column(title, justify="right")
    for name, question in params.questions.items():
        parts = known.get(name, replace(GUESS, folds=params.run.folds))
        level = alpha / (1 if question.control or question.part_of else family)
        gains = [smallest_detectable_gain(parts, level, repeats) for repeats in REPEATS]
        gains.append(smallest_detectable_gain(parts, level, REPEATS[-1], MORE_GROUPS))
        took = [minutes(params, question, seconds, repeats) for repeats in REPEATS]
        mark = "" if name in known else " *"
        table.add_row(f"{name}{mark}", *(number(gain) for gain in gains), *(number(each, ".1f") for each in took))
    console.print(
        "Smallest gain found with 80 % power after Holm's adjustment at R repeats, also with twice the groups (2G), "
        "and minutes of all trainings:"
    )
    console.print(table)
    if hopeless := impractical_questions(params, paths):
        console.print(
            f"Not practically detectable, as small as they are (more than {MOST} times the repeats and the groups): "
            f"{', '.join(hopeless)}"
        )
    if set(params.questions) - set(known):
        console.print("* a guess from solar cells in 20 groups: this question was not judged over several repeats yet")
    if not seconds:
        console.print("Minutes are known once a run has put trainings into the store.")
