"""`python -m pipeline predict`: new images, by the networks that a verdict recommends."""

import sys
from pathlib import Path

import pandas as pd

from pipeline.config.loading import load_params
from pipeline.prediction.answer import UNREADABLE, answer
from pipeline.prediction.listing import in_words, list_images
from pipeline.prediction.recommended import recommended
from pipeline.prediction.writing import check_out, csv_text, write
from pipeline.runner.system_faults import system_faults
from pipeline.runner.workers import trainings_at_once
from pipeline.store.paths import Paths

MOST_LISTED = 10  # unreadable files on standard error; the output has all


def predict(
    asked: str, named: list[Path], out: Path | None = None, path_column: str | None = None, root: Path = Path()
) -> None:
    """Predict images and write the table to `out`, or as CSV to standard output; all else is on standard error.

    Args:
        asked: a question, a transfer, or an arm as section/NAME. named: files, folders and tables.

    Raises:
        InputError: an unknown name, a run that is not finished, no image, or an output that cannot be written.
    """
    paths = Paths(root)
    if out:
        check_out(out, named)
    params = load_params(paths.params)
    listing = list_images(named, path_column)
    chosen = recommended(params, paths, asked)
    _say(chosen.reason, *chosen.cautions)
    with system_faults(paths.root, f"`run.image_size` (now {params.run.image_size})"):
        table, temperature = answer(params, paths, chosen, listing.images, trainings_at_once(params.run))
        if out:
            write(out, table)
        else:
            sys.stdout.write(csv_text(table))
    left = f"left out by their ending: {in_words(listing.left_out)}" if listing.left_out else ""
    networks = f"{len(chosen.members)} networks, temperature {temperature:.2f}"
    _say(*unreadable(table), *([left] if left else []), f"{summary(table)}; {networks}{f' -> {out}' if out else ''}")


def summary(table: pd.DataFrame) -> str:
    """How many images there are of each predicted class, and how many with which warning."""
    counts = ", ".join(f"{label} {count:,}" for label, count in table["label"].value_counts().sort_index().items())
    failed, unlike = int(table["label"].isna().sum()), int((table["distance"] > 1).sum())
    return f"{len(table) - failed:,} images ({counts}), {failed:,} unreadable, {unlike:,} unlike the target's"


def unreadable(table: pd.DataFrame) -> list[str]:
    """A line for each of the first files that cannot be read."""
    rows = table[table["label"].isna()]
    shown = rows.head(MOST_LISTED)
    lines = [
        f"{path}: {warning.removeprefix(UNREADABLE)}"
        for path, warning in zip(shown["path"], shown["warning"], strict=True)
    ]
    return [*lines, *([f"... and {len(rows) - MOST_LISTED:,} more unreadable"] if len(rows) > MOST_LISTED else [])]


def _say(*lines: str) -> None:
    for line in lines:
        print(f"predict: {line}", file=sys.stderr, flush=True)
