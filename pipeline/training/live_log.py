"""A live log of one fit by DVCLive, to watch it while it runs; the record is the arm's history."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def live_log(folder: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Log the rows of one fit with DVCLive, to be watched while it runs."""
    if folder is None:
        yield lambda row: None
        return
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    shutil.rmtree(folder, ignore_errors=True)
    try:
        started = Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError:  # a Git repository without a commit: what cannot be watched can still be trained
        yield lambda row: None
        return
    with started as live:

        def log(row: dict[str, Any]) -> None:
            live.step = row["epoch"]
            for name, value in row.items():
                if name != "epoch" and value is not None:
                    live.log_metric(name, value)
            live.make_summary()

        yield log
