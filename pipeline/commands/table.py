"""`python -m pipeline table`: the verdicts of the last run, after a line that says so where params.yaml is newer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.report.terminal import print_report
from pipeline.runner.lock_file import locked_stages
from pipeline.store.errors import ParamsError
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml

MOST = 4  # keys in the line
GONE = object()
PROFILES = "runs/*/reports/metrics.json"  # of workspaces of profiles


def print_table(root: Path = Path()) -> None:
    """Print whose results these are, where it is not those of params.yaml, then the results.

    Raises:
        InputError: there was no run yet.
    """
    paths = Paths(root)
    if paths.report_metrics.is_file():
        for line in notices(paths):
            print(f"Note: {line}", flush=True)
    print_report(root)


def notices(paths: Paths) -> Iterator[str]:
    """What a reader of reports/ has to know: they are of an earlier run, or another workspace has later ones."""
    changed = changed_since(paths)
    if changed:
        more = f" and {len(changed) - MOST} more" if len(changed) > MOST else ""
        yield (
            f"{paths.report_metrics.parent}/ is of an earlier run. {', '.join(changed[:MOST])}{more} changed since, "
            "and no run has come to its end: `make repro` goes there."
        )
    written = paths.report_metrics.stat().st_mtime
    for metrics in sorted(paths.root.glob(PROFILES)):
        if metrics.stat().st_mtime > written:
            folder = metrics.parents[1]
            yield f"a later run is in {folder}: `cd {folder} && python -m pipeline table` shows it."


def changed_since(paths: Paths) -> list[str]:
    """Params, and outputs of stages, that are not what dvc.lock says that the stages after them have read."""
    try:
        params, lock = read_yaml(paths.params), locked_stages(paths.dvc_lock)
        recorded = {name: stage.get("params", {}).get(paths.params.name, {}) for name, stage in lock.items()}
        # DVC keeps the stages of entries that were removed
        present = [name for name, values in recorded.items() if GONE not in [_at(params, key) for key in values]]
        of_params = [
            f"`{key}`" for name in present for key, value in recorded[name].items() if _at(params, key) != value
        ]
        outs = {out["path"]: out["md5"] for name in present for out in lock[name]["outs"]}
        deps = [(dep["path"], dep["md5"]) for name in present for dep in lock[name].get("deps", ())]
    except (ParamsError, AttributeError, KeyError, TypeError):
        return []  # `check` and `doctor` say what is wrong
    return list(dict.fromkeys([*of_params, *(path for path, md5 in deps if outs.get(path, md5) != md5)]))


def _at(params: Any, key: str) -> Any:
    """The value at a dotted key, or GONE."""
    for part in key.split("."):
        if not isinstance(params, dict) or part not in params:
            return GONE
        params = params[part]
    return params
