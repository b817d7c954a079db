"""`python -m pipeline gate --against REV`: refuse a change that takes back what the committed results established."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.commands.gate.changes import WHOLE_RUN, Change, compare, refused
from pipeline.commands.gate.markdown import page, title
from pipeline.commands.gate.revision import commit_of, run_at, run_of_workspace
from pipeline.store.errors import EXIT_DONE
from pipeline.store.files import write_text
from pipeline.store.paths import Paths

EXIT_REFUSED: Final = 3
WORKSPACE = "the workspace"


def gate(
    against: str,
    of: str | None = None,
    tolerance: float | None = None,
    markdown: Path | None = None,
    plot: str | None = None,
    root: Path = Path(),
) -> int:
    """Compare results with those of a revision, print what changed, and return EXIT_REFUSED or EXIT_DONE.

    Args:
        against: the revision whose results must hold. of: that of the other results; None: the workspace.
        tolerance: see `changes.compare`. markdown: the file to write for a pull request.
        plot: the address of the forest plot in it; None: the file of the workspace.

    Raises:
        InputError: results cannot be read, see revision.py.
    """
    before, after = run_at(against, root), run_of_workspace(root) if of is None else run_at(of, root)
    changes = compare(before, after, tolerance)
    names = (_named(against, root), WORKSPACE if of is None else _named(of, root))
    if markdown is not None:
        address = plot or (_plot_of_workspace(markdown, root) if of is None else None)
        write_text(markdown, page(before, after, changes, names, address))
    print(message(changes, names))
    return EXIT_REFUSED if refused(changes) else EXIT_DONE


def message(changes: Sequence[Change], names: tuple[str, str]) -> str:
    """The outcome in one line, then a line for every difference; those that are refused begin with their rule."""
    failed = refused(list(changes))
    told = [change for change in changes if change.rule is None]
    lines = [f"{title(failed)}; {names[1]} against {names[0]}"]
    lines += [f"  {change.rule}: {change.question}: {change.text}" for change in failed]
    lines += [f"  {'' if change.question == WHOLE_RUN else f'{change.question}: '}{change.text}" for change in told]
    return "\n".join(lines)


def _named(revision: str, root: Path) -> str:
    """A revision with the commit that it is now."""
    commit = commit_of(revision, root)
    return commit if revision.startswith(commit) else f"{revision} ({commit})"


def _plot_of_workspace(markdown: Path, root: Path) -> str | None:
    """The forest plot, as seen from the folder of the Markdown file."""
    file = Paths(root).report_gain
    return Path(os.path.relpath(file, markdown.parent)).as_posix() if file.is_file() else None
