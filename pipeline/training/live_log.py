"""Live training curves by DVCLive; the permanent record is the arm's history."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def live_log(folder: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that logs one epoch's row to `folder` with DVCLive; it does nothing where `folder` is None."""
    if folder is None:
        yield lambda row: None
        return
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    shutil.rmtree(folder, ignore_errors=True)
    try:
        started = Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError:  # DVCLive fails in a Git repository without a commit; training goes on without the log
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
