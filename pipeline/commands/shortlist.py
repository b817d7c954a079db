"""`python -m pipeline shortlist TARGET`: sources ranked by the scores of the forecast, before anything is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.commands.minutes import measured, work_of
from pipeline.commands.suggest import Suggestion, counts_of
from pipeline.config.loading import load_params
from pipeline.config.lookup import alternatives
from pipeline.config.params import Params
from pipeline.config.schema import Baseline, Transfer
from pipeline.forecast.scores import SCORES
from pipeline.report.words import number
from pipeline.runner.system_faults import system_faults
from pipeline.runner.workers import trainings_at_once
from pipeline.shortlist.start import shortlist
from pipeline.store.errors import InputError
from pipeline.store.files import read_parquet
from pipeline.store.paths import Paths

if TYPE_CHECKING:
    from pipeline.shortlist.candidates import Candidate
    from pipeline.shortlist.ranking import Ranked, Shortlist

STAGES = ("extract", "forecast", "head", "tune", "scratch")  # what a question about a source runs


def print_shortlist(target: str, measure: bool, root: Path = Path(), console: Console | None = None) -> None:
    """Print a row a source that fits, best first, then the others with their reasons; nothing is written.

    Args:
        measure: whether to measure this machine for the minutes, which takes longer than the ranking.

    Raises:
        InputError: an unknown target, one whose data are not made yet, or a measurement that fails.
    """
    paths, console = Paths(root), console or Console()
    params = load_params(paths.params)
    check_split(params, paths, target)
    workers = trainings_at_once(params.run)
    with system_faults(paths.root, f"`run.image_size` (now {params.run.image_size})"):
        found = shortlist(params, paths, target, workers)
    if not found.ranked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.left_out)
        raise InputError(f"No source fits target '{target}'. {reasons}")
    took = minutes_of(params, paths, target, found.ranked, workers) if measure else {}
    show(console, target, found, took)


def check_split(params: Params, paths: Paths, target: str) -> None:
    """Raise InputError unless params.yaml has the target, and its images are decoded and split."""
    if target not in params.targets:
        raise InputError(f"No target '{target}' in params.yaml{alternatives(target, params.targets)}.")
    if not paths.target(target).examples.is_file():
        raise InputError(
            f"The images of target '{target}' are not decoded and split yet. Run `dvc repro split@{target}`, which "
            "trains nothing, then this command again."
        )


def minutes_of(params: Params, paths: Paths, target: str, ranked: "list[Ranked]", workers: int) -> dict[str, float]:
    """Source -> minutes of its transfer to the target and of the same network from scratch, as `init` estimates them.

    Raises:
        InputError: the measurement fails.
    """
    names = [each.candidate.name for each in ranked]
    entries = {each.candidate.name: each.candidate.entry for each in ranked}
    examples = read_parquet(paths.target(target).examples)
    asked = params.model_copy(
        update={
            "sources": entries,
            "pretrained": {},
            "transfers": {name: Transfer(setting="inductive", source=name, target=target) for name in names},
            "baselines": {
                name: Baseline(target=target, architecture=entry.architecture, sha256=entry.sha256)
                for name, entry in entries.items()
            },
        }
    )
    classes = examples["label"].nunique()
    dataset = params.datasets[params.targets[target].dataset]
    suggestion = Suggestion(dataset, {}, {target: counts_of(examples)}, 0, classes, [])
    speed = measured(asked, classes, workers)
    cells = work_of(asked, suggestion, len(examples), 0.0, speed, workers).cells
    return {name: sum(cells[f"{stage}@{name}"] for stage in STAGES) / workers / 60 for name in names}


def heading(target: str, found: "Shortlist") -> str:
    """What the columns are, and which scores the rank is made of."""
    part = "" if found.scored == found.images else f" (of {found.images:,}, as many of every class in proportion)"
    lacking = [name for name in SCORES if name not in found.counted]
    without = f", without {', '.join(lacking)}, which not every source has" if lacking else ""
    ranks = f"mean place by the scores{without}" if found.counted else "none, since no score is known of every source"
    return (
        f"Sources for target '{target}', best first: z of each score on the training images of every fold, "
        f"{found.scored:,}{part}. rank: {ranks}. above: scores above those of random weights. min: minutes of a "
        "question about it. MB: of its weights."
    )


def in_words(candidate: "Candidate") -> str:
    """Name and architecture of a source, with a star where it is not in params.yaml."""
    name, architecture = candidate.name, candidate.entry.architecture
    star = "" if candidate.in_params else " *"
    return f"{name}{star}" if name == architecture else f"{name}{star}\n  {architecture}"


def show(console: Console, target: str, found: "Shortlist", took: Mapping[str, float]) -> None:
    """Print the table, what to write for a source that is not in params.yaml, and what was left out."""
    console.print(heading(target, found), highlight=False)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("source", overflow="fold")
    for title in ("rank", "above", *SCORES, "min", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    for each in found.ranked:
        made = each.made
        scores = (number(made["scores"][score]["source"], ".1f") for score in SCORES)
        minutes = took.get(each.candidate.name)
        cost = (number(minutes, ".0f" if minutes and minutes > 99 else ".1f"), f"{each.megabytes:.0f}")
        votes = f"{made['positive_votes']}/{made['votes']}"
        table.add_row(in_words(each.candidate), number(each.rank, ".1f"), votes, *scores, *cost)
    console.print(table)
    if not all(each.candidate.in_params for each in found.ranked):
        console.print(
            "* to use it: an entry of sources, such as {architecture: NAME, weights: imagenet}", highlight=False
        )
    for name, reason in found.left_out:
        text = reason.splitlines()[0]
        console.print(f"left out: {name}: {text}", soft_wrap=True, highlight=False, markup=False)
    console.print("A hint and no verdict; judge what is chosen by it on images of another pool (docs/statistics.md).")
