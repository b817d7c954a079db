"""The command line: `python -m pipeline STAGE [NAME]`, as dvc.yaml calls it, and commands around a run."""

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline.config.loading import load_params
from pipeline.datasets.readers.files import stops_dvc
from pipeline.runner.clock import gpu_names
from pipeline.runner.declaration import Stage, read_stages
from pipeline.runner.reproduce import reproduce
from pipeline.runner.stage import run_stage
from pipeline.runner.warm import INTERRUPTED, run_beside
from pipeline.runner.workers import worker_count
from pipeline.store.errors import EXIT_DONE, EXIT_USER_FAULT, InputError, ParamsError
from pipeline.store.paths import Paths


def check_inputs(paths: Paths) -> None:
    """Check params.yaml, and that the raw data exists and is files, before `dvc repro` fails with a message of its own.

    Raises:
        InputError: with all faults.
    """
    datasets = load_params(paths.params).datasets
    missing = [
        f"datasets.{name}.raw: '{dataset.raw}' {fault}"
        for name, dataset in datasets.items()
        if (fault := stops_dvc(paths.root / dataset.raw))
    ]
    if missing:
        raise ParamsError(missing, str(paths.params))


def reproduce_all(force: bool, run_cache: bool) -> int:
    """Run all stale cells in this folder, beside a warm server; returns the exit code of `dvc repro`.

    Raises:
        InputError: params.yaml is wrong.
    """
    run = load_params(Paths().params).run
    workers = 1 if run.device != "cpu" and gpu_names() else worker_count(run.workers)  # one network fills a GPU
    try:
        return run_beside(partial(reproduce, workers, force, run_cache), main)
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, run again to go on", file=sys.stderr, flush=True)
        return INTERRUPTED


def gigabytes(text: str) -> float:
    """A size from the command line.

    Raises:
        ValueError: it is no number from 0 on.
    """
    size = float(text)
    if not size >= 0:
        raise ValueError
    return size


def command_parser(stages: Mapping[str, Stage]) -> argparse.ArgumentParser:
    """The parser of the command line: a command for every stage, then the others."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description=__doc__, epilog="Stages are those of the dvc.yaml in this folder."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, stage in stages.items():
        section = stage.section
        command = commands.add_parser(name, help=f"stage, one cell an entry of `{section}`" if section else "stage")
        command.add_argument("name", nargs="?", help=f"an entry of `{section}` in params.yaml" if section else None)
    profile = commands.add_parser("profile", help="params.yaml with the differences of profiles/NAME.yaml")
    profile.add_argument("name")
    profile.add_argument("--into", type=Path, help="make a workspace there instead of editing params.yaml in place")
    add_init(commands.add_parser("init", help="write params.yaml for a folder or table of your own images"))
    commands.add_parser("check", help="check params.yaml, and that the raw data exists")
    commands.add_parser("doctor", help="find damage by a killed run, a merge or a disk; changes nothing")
    commands.add_parser("table", help="print the verdicts of the last run")
    commands.add_parser("more", help="give open questions the repeats of their next planned look, in params.yaml")
    commands.add_parser("plan", help="the gain that each question could detect with more repeats, and the minutes")
    store = commands.add_parser("store", help="what is kept of finished trainings, and how large it is")
    store.add_argument("--prune", type=gigabytes, metavar="GB", help="delete the least recently used above this size")
    repro = commands.add_parser("repro", help="dvc repro, with independent cells at the same time")
    repro.add_argument("-f", "--force", action="store_true", help="run all cells, stale or not")
    repro.add_argument("--no-run-cache", action="store_true", help="take no result of an earlier run from DVC's cache")
    return parser


def add_init(command: argparse.ArgumentParser) -> None:
    """The arguments of `init`."""
    command.add_argument("path", help="a folder with one folder per class, or a table (CSV, TSV, Parquet)")
    command.add_argument("--name", help="of the dataset and its target; by default that of the folder or table")
    command.add_argument("--label", metavar="COLUMN", help="of a table: the classes")
    command.add_argument("--group", metavar="COLUMN", help="of a table: what several images show, kept in one fold")
    command.add_argument("--path-column", metavar="COLUMN", help="of a table: the files, relative to it")
    command.add_argument("--group-pattern", metavar="REGEX", help="of a folder: finds the group in a file's name")
    command.add_argument("--classes", metavar="A,B,...", help="of a folder: which folders are the classes, if unclear")
    augmentations = ("none", "mirror", "flips", "dihedral")
    command.add_argument("--augmentation", choices=augmentations, default="mirror", help="see run.augmentation")
    command.add_argument("--keep-demo", action="store_true", help="add to the entries of params.yaml, replace none")
    command.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    command.add_argument("--no-measure", action="store_true", help="do not estimate the minutes of the run")
    command.add_argument("--yes", action="store_true", help="write without asking")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a user error is one message and exit code 2, an internal error a traceback and code 1."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        asks_for_help = any(word in ("-h", "--help") for word in words)
        stages = {} if asks_for_help and not Paths().dvc_yaml.exists() else read_stages(Paths().dvc_yaml)
        return run_command(command_parser(stages).parse_args(words))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_USER_FAULT


def run_command(parsed: argparse.Namespace) -> int:
    """Run a parsed command; returns its exit code.

    Raises:
        InputError: a user error.
    """
    if parsed.command == "profile":
        from pipeline.commands.profile import apply_profile

        apply_profile(parsed.name, parsed.into)
    elif parsed.command == "init":
        from pipeline.commands.init import init

        print(init(parsed))
    elif parsed.command == "check":
        check_inputs(Paths())
    elif parsed.command == "doctor":
        from pipeline.commands.doctor import examine

        print(examine())
    elif parsed.command == "table":
        from pipeline.report.terminal import print_report

        print_report()
    elif parsed.command == "more":
        from pipeline.commands.more import add_repeats

        print(add_repeats())
    elif parsed.command == "plan":
        from pipeline.commands.plan import print_plan

        print_plan()
    elif parsed.command == "store":
        from pipeline.commands.store import describe, prune

        limit = load_params(Paths().params).run.store_gb
        print(describe(Paths(), limit) if parsed.prune is None else prune(Paths(), parsed.prune))
    elif parsed.command == "repro":
        return reproduce_all(parsed.force, run_cache=not parsed.no_run_cache)
    else:
        run_stage(parsed.command, parsed.name)
    return EXIT_DONE
