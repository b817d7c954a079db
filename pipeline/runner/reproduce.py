"""`python -m pipeline repro`: `dvc repro` whose independent cells run at the same time.

DVC runs one stage after another; its manual's way to run more at once is to start it several times. Here every stale
cell whose inputs are ready is a `dvc repro --single-item` of its own, as many at once as there are workers. At the end
a plain `dvc repro` makes sure that nothing is left. Outputs, dvc.lock and DVC's cache are those of `dvc repro` alone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath

from pipeline.runner.declaration import Cell
from pipeline.runner.warm import ask
from pipeline.store.cores import FOLDER, OWN, hold_one, make_tokens
from pipeline.store.progress import LINE

DVC = "dvc"  # the program, also of the warm server


def reproduce(cells: Iterable[Cell], workers: int, force: bool = False, run_cache: bool = True) -> int:
    """Run all stale cells of the pipeline in this folder; returns the exit code of `dvc repro`.

    Args:
        cells: all of the run.
        workers: cells at once; 1: plain `dvc repro`.
        force: run all cells, stale or not.
        run_cache: take the result of an earlier run with the same inputs, where DVC has one.
    """
    flags = [] if run_cache else ["--no-run-cache"]
    forced = [*flags, "--force"] if force else flags
    if workers == 1:
        return dvc(["repro", *forced], os.environ)
    inputs = producers(list(cells))
    stale = set(inputs) if force else with_consumers(inputs, changed())
    return run_all(inputs, stale, workers, forced) or dvc(["repro", *flags], os.environ)


def run_all(inputs: Mapping[str, set[str]], stale: set[str], workers: int, flags: list[str]) -> int:
    """Run stale cells, each after those that it reads from; returns the first exit code that is not 0, or 0.

    After a failure no further cell is started, and those that run are waited for.
    """
    order = TopologicalSorter({cell: inputs[cell] & stale for cell in stale})
    order.prepare()
    urgency = steps_to_the_end(inputs)
    waiting, running, code = list[str](), dict[Future[int], str](), 0
    with tempfile.TemporaryDirectory(prefix="cores-") as folder, ThreadPoolExecutor(workers) as pool:
        tokens = make_tokens(Path(folder), workers)
        while order.is_active() and not code:
            waiting = sorted([*waiting, *order.get_ready()], key=urgency.__getitem__)
            while waiting and len(running) < workers:
                cell = waiting.pop()
                running[pool.submit(run_cell, cell, tokens, flags)] = cell
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                code = code or done.result()
                order.done(running.pop(done))
    return code


def run_cell(cell: str, tokens: list[Path], flags: list[str]) -> int:
    """Run one cell by DVC once a core is free, and hold the core for it."""
    with hold_one(tokens) as token:
        place = {FOLDER: str(token.parent), OWN: token.name, LINE: str(tokens.index(token))}
        return dvc(["repro", "--single-item", "--quiet", *flags, cell], {**os.environ, **place})


def dvc(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run DVC, as a fork of the warm server where there is one; wait for its lock where another DVC holds it."""
    arguments = ["--wait-for-lock", *arguments]
    code = ask(arguments, DVC, environment)
    if code is None:
        code = subprocess.run([sys.executable, "-m", "dvc", *arguments], env=dict(environment), check=False).returncode
    return code


def changed() -> set[str]:
    """The addresses (STAGE@NAME) of cells that `dvc status` calls changed."""
    from dvc.repo import Repo

    with Repo() as repo:
        return set(repo.status())


def producers(cells: list[Cell]) -> dict[str, set[str]]:
    """Of every cell's address, the addresses of the cells that write what it reads."""
    writers = [(PurePosixPath(out), address(cell)) for cell in cells for out in cell.outs]
    return {
        address(cell): {
            writer for out, writer in writers for dep in map(PurePosixPath, cell.deps) if related(out, dep)
        }
        for cell in cells
    }


def with_consumers(inputs: Mapping[str, set[str]], addresses: Iterable[str]) -> set[str]:
    """Cells and all that depend on them."""
    found, added = set[str](), set(addresses) & set(inputs)
    while added:
        found |= added
        added = {cell for cell, needed in inputs.items() if needed & found} - found
    return found


def steps_to_the_end(inputs: Mapping[str, set[str]]) -> dict[str, int]:
    """Of every cell, the length of the longest chain of cells that wait for it."""
    steps = dict.fromkeys(inputs, 0)
    for cell in reversed(list(TopologicalSorter(inputs).static_order())):
        for needed in inputs[cell]:
            steps[needed] = max(steps[needed], steps[cell] + 1)
    return steps


def related(out: PurePosixPath, dep: PurePosixPath) -> bool:
    """Whether a dep is an output, lies in it or contains it."""
    return out.is_relative_to(dep) or dep.is_relative_to(out)


def address(cell: Cell) -> str:
    """A cell's address as DVC writes it."""
    return f"{cell.stage}@{cell.name}" if cell.name else cell.stage
