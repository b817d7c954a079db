"""What the system refuses: named, with what to do, without a traceback, and without a stump."""

import copy
import errno
import os
import shutil
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tiny_world
from PIL import Image

from pipeline import cli
from pipeline.config.loading import load_params
from pipeline.runner.declaration import all_cells, find_cell, read_stages
from pipeline.runner.system_faults import memory_setting, system_faults
from pipeline.store.errors import InputError
from pipeline.store.files import write_json, write_npy, write_text

SETTINGS = {  # what the memory of a stage grows with; the others hold tables alone
    "ingest": "run.image_size",
    "source": "run.image_size",
    "pretrain": "pretraining.supervised.batch_size",
    "extract": "run.image_size",
    "forecast": "run.image_size",
    "head": "head.batch_size",
    "tune": "tune.batch_size",
    "scratch": "scratch.batch_size",
    "adapt": "adapt.batch_size",
}
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture
def refused(toy, monkeypatch, capsys):
    """Run a cell whose stage fails in the middle of its out; returns the message that the user sees."""

    def run(error):
        def failing(path, *content):
            write_text(path.with_name("begun.txt"), "begun")
            raise error

        monkeypatch.chdir(toy)
        before = {path for path in (toy / "data").rglob("*") if path.is_file()}
        with (
            mock.patch("pipeline.runner.stage.die_with_parent"),
            mock.patch("pipeline.stages.split.write_parquet", failing),
        ):
            assert cli.main(["split", "defect"]) == 2
        out, stderr = capsys.readouterr()
        assert out == "" and stderr.startswith("error: ") and "Traceback" not in stderr
        assert {path for path in (toy / "data").rglob("*") if path.is_file()} == before
        assert list((toy / "data" / "targets").iterdir()) == []  # no stump
        return stderr

    return run


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full ("),
        (errno.EDQUOT, "your quota of the disk is used up"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "may not read or write it"),
        (errno.EPERM, "may not change it"),
    ],
)
def test_no_room_or_no_right_is_refused_by_the_path(refused, toy, number, words):
    stderr = refused(OSError(number, os.strerror(number), "data/targets/defect/x"))
    assert f"error: {toy}/data/targets/defect/x: " in stderr and words in stderr and stderr.rstrip().endswith(".")


def test_a_full_disk_in_the_words_of_numpy_and_tensorflow(refused, toy):
    assert f"error: {toy}: the disk is full" in refused(OSError("1000000 requested and 38384 written"))
    exhausted = type("ResourceExhaustedError", (Exception,), {})
    assert f"error: {toy}: the disk is full" in refused(exhausted("file.h5; No space left on device"))


def test_a_full_disk_is_found_behind_the_clean_up_that_failed_after_it(refused):
    error = ValueError("Can't close the ZIP file while there is an open writing handle on it")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full" in refused(error)


class XlaRuntimeError(RuntimeError):
    pass


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9, 10**9), np.dtype("float32")),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor with shape[64,80,80,32]"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2.00 GiB"),
        XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4000000000 bytes."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] . DefaultCPUAllocator: can't allocate memory: you tried"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_refused_with_the_number_to_set(toy, error):
    params = load_params(toy / "params.yaml")
    setting = memory_setting(find_cell(read_stages(toy / "dvc.yaml"), "tune", "to-defect", params), params)
    with pytest.raises(InputError, match=r"^out of memory \(.+\)\. .*, or lower `tune.batch_size` \(now 8\)"):
        raise_within(toy, error, setting)
    with pytest.raises(InputError, match=r"^out of memory \(.+\)\. Close what else uses memory, and run again\.$"):
        raise_within(toy, error)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), KeyError("memory"), OSError("odd"), FileNotFoundError(2, "x")]
)
def test_a_fault_of_ours_stays_one(toy, error):
    with pytest.raises(type(error)) as caught:
        raise_within(toy, error)
    assert caught.value is error


def test_what_is_the_users_fault_already_stays_as_it_is(toy):
    error = InputError("No space left on device is what the label says.")
    with pytest.raises(InputError) as caught:
        raise_within(toy, error)
    assert caught.value is error


def raise_within(root, error, setting=""):
    with system_faults(root, setting):
        raise error


def test_the_setting_to_lower_is_named_for_every_stage_that_holds_images_or_features(toy):
    stages, params = read_stages(toy / "dvc.yaml"), load_params(toy / "params.yaml")
    for cell in all_cells(stages, params):
        key = SETTINGS.get(cell.stage)
        assert memory_setting(cell, params) == (f"`{key}` (now {params.at(key)})" if key else ""), cell


@pytest.mark.parametrize("write", [lambda path: write_npy(path, np.zeros(9)), lambda path: write_json(path, {})])
def test_a_full_disk_is_told_by_the_file_that_was_written(tmp_path, monkeypatch, write):
    monkeypatch.setattr("os.fsync", mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(InputError, match=rf"{tmp_path}/file: the disk is full"), system_faults(tmp_path):
        write(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", ["size=200k", "ro"], ids=["full", "read-only"])
def test_a_disk_that_is_full_or_read_only_is_refused(repository, tmp_path, options):
    """A file system of its own, as far as one may be mounted here."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    tiny_world.make_without_keras(tmp_path)
    disk = tmp_path / "data" / "targets"
    disk.mkdir()
    fill = f"; head -c 195k /dev/zero > {disk}/filler" if options != "ro" else ""
    run = f"{sys.executable} -m pipeline split defect; code=$?; ls -A {disk}; exit $code"
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", f"mount -t tmpfs -o {options} none {disk}{fill}; {run}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done
    assert f"error: {disk}" in done.stderr and "Traceback" not in done.stderr
    assert ("read-only" if options == "ro" else "the disk is full (") in done.stderr
    assert done.stdout.split() == ([] if options == "ro" else ["filler"])


FULL = """
import shutil, sys
from pathlib import Path
import tiny_world
from pipeline.store.errors import InputError
from pipeline.store.files import sha256_file

root, room = Path(sys.argv[1]), int(sys.argv[2])
filler = root / "filler"

OTHERS = {".locks", ".store", "dvclive", "clocks", "cost.json"}  # what no stage promises, and what holds seconds

def content():
    files = [path for path in root.rglob("*") if path.is_file() and path != filler]
    return {path: sha256_file(path) for path in files if not OTHERS & {*path.parts}}

for stage, cell in zip(*[iter(sys.argv[3:])] * 2, strict=True):
    shutil.rmtree(root / ".store", ignore_errors=True)  # else finished trainings are taken from it
    before = content()
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(file.tell() - room, 0))
    try:
        tiny_world.run_cell(root, stage, cell or None)
        message = "no message"
    except InputError as error:
        message = str(error)
    filler.unlink()
    stumps = [path.name for path in root.rglob(".*.tmp")]
    after = content()
    changed = sorted(str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    print(stage, changed, stumps, message, sep="|")
"""


MORE = {  # cells that the world in miniature is without
    "datasets": {"photos": {"reader": "folder", "raw": "raw", "labels": ["label"]}},
    "rescaled": {"statistics": {"source": "tiny", "target": "defect", "baseline": "defect-tiny"}},
    "questions": {
        "scaling": {"target": "defect", "arm": "rescaled/statistics", "against": "baselines/defect-tiny"},
    },
}
# bytes that are free on the disk -> stages whose outputs may find room: leakage first deletes one as large
FITS = {0: {"leakage"}, 40_000: {"leakage", "split", "forecast"}}
EVERY = [("ingest", "photos"), ("validate", "photos"), *((stage, cells[0] or "") for stage, cells in tiny_world.CELLS)]
EVERY.insert(-2, ("rescale", "statistics"))


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """The folder of a finished run with a cell of every stage."""
    root, raw = tmp_path_factory.mktemp("whole"), copy.deepcopy(world.raw)
    shutil.copytree(world.root, root, dirs_exist_ok=True)
    for index in range(16):
        image = Image.fromarray(np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8))
        (root / "raw" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        image.save(root / "raw" / "ab"[index % 2] / f"{index}.png")
    for section, entries in MORE.items():
        raw[section] |= entries
    tiny_world.write_params(root, raw)
    made = (("ingest", "photos"), ("validate", "photos"), ("split", "defect"), ("rescale", "statistics"))
    for stage, cell in (*made, ("evaluate", "scaling"), ("report", None)):
        tiny_world.run_cell(root, stage, cell)
    return root


def test_every_stage_has_a_cell_on_the_full_disk(repository):
    assert {stage for stage, _ in EVERY} == set(read_stages(repository / "dvc.yaml"))


@pytest.mark.slow  # four minutes: every stage begins twice
@pytest.mark.parametrize("room", FITS)
def test_a_disk_that_is_full_is_refused_in_every_stage_and_leaves_all_as_it_was(repository, whole, tmp_path, room):
    """Reports too."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    places = [str(repository), str(repository / "tests")]
    line = f"mount -t tmpfs -o size=100m none {tmp_path} && cp -r {whole}/. {tmp_path} && exec "
    cells = [word for cell in EVERY for word in cell]
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", f'{line} "$@"', "sh", sys.executable, "-c", FULL, str(tmp_path), str(room), *cells],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )
    lines = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]
    assert [stage for stage, *_ in lines] == [stage for stage, _ in EVERY], done.stdout + done.stderr
    for stage, changed, stumps, message in lines:
        print(stage, changed, stumps, message)
    for stage, changed, stumps, message in lines:
        assert (changed, stumps) == ("[]", "[]"), stage
        assert message == "no message" or ("MB free" in message and "Make room" in message), (stage, message)
    refused = {stage for stage, *_, message in lines if message != "no message"}
    assert refused >= {stage for stage, _ in EVERY} - FITS[room]
