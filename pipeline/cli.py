"""The command line: `python -m pipeline STAGE [NAME]`, as dvc.yaml calls it, and commands around a run."""

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import get_args

from pipeline.commands.artifacts import keep_in_step
from pipeline.commands.heal import PATIENCE, sole_run
from pipeline.config.loading import load_params
from pipeline.config.schema import Run
from pipeline.export.formats import FORMATS
from pipeline.networks.device import choose_backend
from pipeline.runner.declaration import Stage, all_cells, read_stages
from pipeline.runner.messages import bounded, file_name
from pipeline.runner.reproduce import reproduce
from pipeline.runner.shared_folders import TOLD, delete_leftovers, make_absent, shared_folders
from pipeline.runner.stage import locked, run_stage
from pipeline.runner.system_faults import system_faults
from pipeline.runner.warm import INTERRUPTED, run_beside
from pipeline.runner.workers import trainings_at_once
from pipeline.store.errors import EXIT_DONE, EXIT_USER_FAULT, InputError
from pipeline.store.kept import Store
from pipeline.store.paths import Paths


def reproduce_all(force: bool, run_cache: bool) -> int:
    """Run all stale cells in this folder, beside a warm server; returns the exit code of `dvc repro`.

    Raises:
        InputError: params.yaml is wrong, or another run is at work in this folder.
    """
    paths = Paths()
    params, stages = load_params(paths.params), read_stages(paths.dvc_yaml)
    shared = shared_folders(stages)
    choose_backend()
    workers = trainings_at_once(params.run)
    try:
        with sole_run(paths) as healed:
            if healed:
                print(healed, flush=True)
            keep_in_step(params, paths)
            make_absent(shared, paths.root)
            if deleted := delete_leftovers(shared, all_cells(stages, params), paths.root):
                print(TOLD.format(len(deleted)), flush=True)
            return run_beside(partial(reproduce, workers, force, run_cache), main)
    except KeyboardInterrupt:
        results = len(Store(paths.store).entries())
        kept = f"finished stages{f' and {results:,} results in {paths.store}' if results else ''} are kept"
        print(f"interrupted: {kept}; run the same command to go on", file=sys.stderr)
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


def tolerance(text: str) -> float:
    """A difference in quality from the command line.

    Raises:
        ValueError: it is no number from 0 on.
    """
    return gigabytes(text)


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
    commands.add_parser("check", help="find what would stop a run: in params.yaml, raw data, dvc.yaml and Python")
    commands.add_parser("doctor", help="find damage by a killed run, a merge or a disk; changes nothing")
    commands.add_parser("table", help="print the verdicts of the last run")
    commands.add_parser("more", help="give open questions the repeats of their next planned look, in params.yaml")
    commands.add_parser("plan", help="the gain that each question could detect with more repeats, and the minutes")
    shortlist = commands.add_parser("shortlist", help="rank sources for a target before anything is trained")
    shortlist.add_argument("target", help="an entry of `targets` in params.yaml")
    shortlist.add_argument("--no-measure", action="store_true", help="do not estimate the minutes of each")
    store = commands.add_parser("store", help="what is kept of finished trainings, and how large it is")
    store.add_argument("--prune", type=gigabytes, metavar="GB", help="delete the least recently used above this size")
    predict = commands.add_parser("predict", help="predict new images with the networks that a verdict recommends")
    predict.add_argument("name", metavar="QUESTION_OR_TRANSFER", help="or an arm, such as baselines/NAME")
    predict.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image, folder, or CSV or Parquet table")
    predict.add_argument("--out", type=Path, help=".csv, .jsonl or .parquet; without it CSV to standard output")
    predict.add_argument("--path-column", metavar="COLUMN", help="of the tables; relative to the table's folder")
    add_export(commands.add_parser("export", help="write the networks that a verdict recommends as one file"))
    gate = commands.add_parser("gate", help="refuse results that take back those of a Git revision (exit code 3)")
    gate.add_argument("--against", required=True, metavar="REV", help="the revision whose results must hold")
    gate.add_argument("--of", metavar="REV", help="compare the results of this revision, not those of the workspace")
    gate.add_argument("--tolerance", type=tolerance, metavar="X", help="allowed drop of quality (default: the margin)")
    gate.add_argument("--markdown", type=Path, metavar="FILE", help="write the comparison for a pull request")
    gate.add_argument("--plot", metavar="URL", help="address of the forest plot in it (default: reports/gain.svg)")
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
    augmentations = get_args(Run.model_fields["augmentation"].annotation)
    command.add_argument("--augmentation", choices=augmentations, default="mirror", help="see run.augmentation")
    command.add_argument("--keep-demo", action="store_true", help="add to the entries of params.yaml, replace none")
    command.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    command.add_argument("--no-measure", action="store_true", help="do not estimate the minutes of the run")
    command.add_argument("--yes", action="store_true", help="write without asking")


def add_export(command: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    command.add_argument("name", metavar="QUESTION_OR_TRANSFER", help="or an arm, such as baselines/NAME")
    command.add_argument("--format", choices=tuple(FORMATS), required=True, help="of the file")
    command.add_argument("--refit", action="store_true", help="train one network on all images, not the mean of all")
    command.add_argument("--resize", action="store_true", help="ONNX: take images of any size, resize them inside")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="by default exports/NAME/FORMAT")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a user error is one message and exit code 2, an internal error a traceback and code 1."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        asks_for_help = any(word in ("-h", "--help") for word in words)
        stages = {} if asks_for_help and not Paths().dvc_yaml.exists() else read_stages(Paths().dvc_yaml)
        with system_faults(Paths().root.absolute()):
            code = run_command(command_parser(stages).parse_args(words))
            print(end="", flush=True)  # a full disk is a fault of the command that writes to it
            return code
    except InputError as error:
        print(bounded(f"error: {error}", Paths().message(file_name(words))), file=sys.stderr, flush=True)
        return EXIT_USER_FAULT


def run_command(parsed: argparse.Namespace) -> int:
    """Run a parsed command, one of `COMMANDS` or a stage; returns its exit code.

    Raises:
        InputError: a user error.
    """
    if parsed.command not in COMMANDS:
        run_stage(parsed.command, parsed.name)
        return EXIT_DONE
    code = COMMANDS[parsed.command](parsed)
    return EXIT_DONE if code is None else code


# ---- commands: each imports what it needs, since a stage must start fast ---------------------------------------------


def _profile(parsed: argparse.Namespace) -> None:
    from pipeline.commands.profile import apply_profile

    with locked(Paths(parsed.into).run_lock, PATIENCE) if parsed.into else nullcontext():  # no run reads it now
        apply_profile(parsed.name, parsed.into)


def _init(parsed: argparse.Namespace) -> None:
    from pipeline.commands.init import init

    print(init(parsed))


def _check(parsed: argparse.Namespace) -> None:
    from pipeline.commands.check import check

    choose_backend()
    check(Paths())


def _doctor(parsed: argparse.Namespace) -> None:
    from pipeline.commands.doctor import examine

    print(examine())


def _table(parsed: argparse.Namespace) -> None:
    from pipeline.commands.table import print_table

    print_table()


def _more(parsed: argparse.Namespace) -> None:
    from pipeline.commands.more import add_repeats

    print(add_repeats())


def _plan(parsed: argparse.Namespace) -> None:
    from pipeline.commands.plan import print_plan

    print_plan()


def _shortlist(parsed: argparse.Namespace) -> None:
    from pipeline.commands.shortlist import print_shortlist

    print_shortlist(parsed.target, measure=not parsed.no_measure)


def _store(parsed: argparse.Namespace) -> None:
    from pipeline.commands.store import describe, prune

    limit = load_params(Paths().params).run.store_gb
    print(describe(Paths(), limit) if parsed.prune is None else prune(Paths(), parsed.prune))


def _predict(parsed: argparse.Namespace) -> None:
    from pipeline.commands.predict import predict

    predict(parsed.name, parsed.paths, parsed.out, parsed.path_column)


def _export(parsed: argparse.Namespace) -> None:
    from pipeline.commands.export import export

    export(parsed.name, parsed.format, parsed.refit, parsed.out, parsed.resize)


def _gate(parsed: argparse.Namespace) -> int:
    from pipeline.commands.gate.command import gate

    return gate(parsed.against, parsed.of, parsed.tolerance, parsed.markdown, parsed.plot)


def _repro(parsed: argparse.Namespace) -> int:
    return reproduce_all(parsed.force, run_cache=not parsed.no_run_cache)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int | None]] = {
    "profile": _profile,
    "init": _init,
    "check": _check,
    "doctor": _doctor,
    "table": _table,
    "more": _more,
    "plan": _plan,
    "shortlist": _shortlist,
    "store": _store,
    "predict": _predict,
    "export": _export,
    "gate": _gate,
    "repro": _repro,
}
