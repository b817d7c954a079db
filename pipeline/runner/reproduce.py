"""`python -m pipeline repro`: `dvc repro` whose independent cells run at the same time.

DVC runs one stage after another; its manual's way to more is to start it several times. Here every stale cell whose
inputs are ready is reproduced by DVC in a process of its own, as many at once as there are workers, and a plain `dvc
repro` does what is left at the end. Outputs, dvc.lock and DVC's cache are those of `dvc repro` alone.

The processes are forks of one that has read dvc.yaml and dvc.lock, since reading them takes DVC longer than some cells.
"""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from graphlib import TopologicalSorter
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from pipeline.runner.lock_file import record
from pipeline.runner.parent import die_with_parent
from pipeline.runner.watching import Watch
from pipeline.store.cores import FOLDER, OWN, hold_one, make_tokens
from pipeline.store.interrupts import no_interrupts
from pipeline.store.paths import Paths
from pipeline.store.progress import LINE

INTERRUPTED = ("exited with 130", "exited with -2")  # DVC's words for a stage that Ctrl-C has ended
COPIES = "code"  # the stage whose copies of the package other stages depend on
FAILED = 255  # the exit code of `dvc repro` where a stage failed
# rough costs of a stage's instance, 1 for others: baselines train longest, and one that begins last runs alone
COSTS = {"scratch": 10, "rescale": 10}
TICK = 1.0  # seconds between two drawings of the line about the run
Graph = Mapping[str, set[str]]  # address of a stage (STAGE@NAME) -> the addresses of those that it reads from


def reproduce(workers: int, force: bool = False, run_cache: bool = True) -> int:
    """Run all stale stages of the pipeline in this folder; returns the exit code of `dvc repro`.

    Args:
        workers: stages at once.
        force: run all stages, stale or not.
        run_cache: take the result of an earlier run with the same inputs, where DVC has one.
    """
    flags = [] if run_cache else ["--no-run-cache"]
    if sys.platform != "linux":  # elsewhere a fork of a process with threads is not safe
        return run_dvc(["repro", *flags, *(["--force"] if force else [])])
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo(_wait_for_lock=True)
        if not force and _copies_are_stale(repo):
            # first and alone: most edits leave the copies as they are, and then nothing else is stale
            if failed := run_dvc(["repro", "--quiet", "--single-item", *flags, COPIES]):
                return failed
            repo = Repo(_wait_for_lock=True)
        code = _reproduce_at_once(repo, workers, force, run_cache)
        if code is None:
            print("Data and pipelines are up to date.", flush=True)
            return 0
        if code or not _anything_is_stale(Repo(_wait_for_lock=True)):
            return code
    except DvcException:  # such as of a damaged dvc.lock: DVC says it in its own words
        return run_dvc(["repro", *flags])
    return run_dvc(["repro", "--quiet", *flags])


def _anything_is_stale(repo: Any) -> bool:
    """Whether a run has left something to do, such as where a file was edited meanwhile."""
    with repo:
        return bool(repo.status())


def _copies_are_stale(repo: Any) -> bool:
    """Whether the copies of the code were made of other code; not in a first run, where everything is to be made."""
    with repo:
        known = COPIES in {stage.addressing for stage in repo.index.stages}
        return known and Paths().dvc_lock.exists() and bool(repo.status(targets=[COPIES]))


def _reproduce_at_once(repo: Any, workers: int, force: bool, run_cache: bool) -> int | None:
    """The exit code of the stale stages; None where no stage is stale."""
    with repo:
        stages = {stage.addressing: stage for stage in repo.index.graph}
        graph = {name: {read.addressing for read in repo.index.graph[stage]} for name, stage in stages.items()}
        stale = set(graph) if force else with_readers(graph, repo.status())
        if not stale:
            return None
        paths = Paths()
        cells = {
            name: _keeps_clock(stage, paths) for name, stage in stages.items() if stage.cmd
        }  # not those of `dvc add`
        with tempfile.TemporaryDirectory(prefix="cores-") as folder, Watch(cells, stale, workers, paths) as watch:
            tokens = make_tokens(Path(folder), workers)

            def run(name: str) -> None:
                _reproduce_stage(stages[name], tokens, force=force, run_cache=run_cache)

            return run_all(graph, stale, workers, run, watch)


def _keeps_clock(stage: Any, paths: Paths) -> bool:
    return any(Path(out.fs_path).is_relative_to(paths.clocks.resolve()) for out in stage.outs)


def run_all(graph: Graph, stale: set[str], workers: int, run: Callable[[str], None], watch: Watch | None = None) -> int:
    """Run stale stages in forks of this process, each after those that it reads from; the first exit code but 0, or 0.

    Of those that are ready the one with the most work up to the end goes first. After a failure no further stage is
    started, and those that run are waited for.
    """
    fork = multiprocessing.get_context("fork")
    order = TopologicalSorter({name: graph[name] & stale for name in stale})
    order.prepare()
    urgency = work_to_the_end(graph)
    ready, running, code = list[str](), dict[Any, tuple[str, Any]](), 0
    try:
        while order.is_active() and not code:
            ready = sorted([*ready, *order.get_ready()], key=urgency.__getitem__)
            while ready and len(running) < workers:
                name = ready.pop()
                process = fork.Process(target=run, args=(name,), name=name)
                with _later_interrupts():  # a fork has nothing that handles them at first
                    process.start()
                    running[process.sentinel] = name, process
                if watch:
                    watch.begin(name)
            for sentinel in wait(list(running), TICK if watch else None):
                name, process = running.pop(sentinel)
                ended = _ended(name, process)
                code = code or ended
                order.done(name)
                if watch and not ended:
                    watch.end(name)
            if watch:
                watch.tick()
    finally:
        with no_interrupts():  # those that run have got them, and end
            for name, process in running.values():
                ended = _ended(name, process)
                code = code or ended
    return code


def _ended(name: str, process: Any) -> int:
    """Wait for a fork; returns its exit code as shells have it, 128 and its number for a signal, which is told."""
    process.join()
    code: int = process.exitcode
    if code < 0:  # it had no time for words of its own
        print(f"ERROR: '{name}' was ended by signal {-code}. Run the same command to go on.", file=sys.stderr)
    return code if code >= 0 else 128 - code


def with_readers(graph: Graph, names: Iterable[str]) -> set[str]:
    """Stages and all that read from them, directly or not."""
    found, added = set[str](), set(names) & set(graph)
    while added:
        found |= added
        added = {name for name, read in graph.items() if read & found} - found
    return found


def work_to_the_end(graph: Graph) -> dict[str, int]:
    """Of every stage, the cost of the most costly chain from it to the end of the pipeline."""
    behind = dict.fromkeys(graph, 0)
    work = {}
    for name in reversed(list(TopologicalSorter(graph).static_order())):
        work[name] = behind[name] + COSTS.get(name.partition("@")[0], 1)
        for read in graph[name]:
            behind[read] = max(behind[read], work[name])
    return work


def _reproduce_stage(stage: Any, tokens: list[Path], force: bool, run_cache: bool) -> None:
    """Do for one stage what `dvc repro --single-item` does, once a core is free, and hold the core for it."""
    from dvc.exceptions import DvcException

    die_with_parent()
    interrupted = _note_interrupts()
    logging.getLogger("dvc").setLevel(logging.WARNING)  # the lines of stages that run together would mix
    try:
        with hold_one(tokens) as token:
            os.environ |= {FOLDER: str(token.parent), OWN: token.name, LINE: str(tokens.index(token))}
            with stage.repo.lock, stage.repo.scm_context():
                if interrupted:
                    sys.exit(FAILED)
                if stage.reproduce(force=force, run_cache=run_cache):
                    record(stage, Paths())
    except DvcException as error:
        if not interrupted and not str(error).endswith(INTERRUPTED):  # which the command says in its own words
            print(f"ERROR: failed to reproduce '{stage.addressing}': {error}", file=sys.stderr, flush=True)
        sys.exit(FAILED)


def _note_interrupts() -> list[int]:
    """Note Ctrl-C in a list rather than raise it, which would cut the files that DVC writes in place, dvc.lock too.

    The command of a stage gets the signal from the terminal as well and ends, and so ends the stage.
    """
    noted: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # see `_later_interrupts`
    return noted


@contextmanager
def _later_interrupts() -> Iterator[None]:
    """Have Ctrl-C wait until the end of the block; a process that is forked in it has to unblock the signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def run_dvc(arguments: list[str]) -> int:
    """Run DVC's command line; returns its exit code.

    Raises:
        KeyboardInterrupt: by Ctrl-C, once DVC, which gets it too, has ended: it writes some files in place.
    """
    process = subprocess.Popen([sys.executable, "-m", "dvc", *arguments])
    try:
        return process.wait()
    except KeyboardInterrupt:
        with no_interrupts():
            process.wait()
        raise
