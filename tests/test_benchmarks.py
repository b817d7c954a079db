"""Benchmarks that leave this machine or need other packages: tables, time budget, what is packed. Nothing is timed."""

import json
import os
import sys
import time

import numpy as np
import pytest

from benchmarks import gpu, peers, timm_lite0
from pipeline.networks.efficientnet_lite import LITE0

ENGINES = ["timm", "jax", "torch"]
ROWS = [
    {"engine": "timm", "row": "extract", "rate": 1000.0, "seconds": 9},
    {"engine": "jax", "row": "extract", "rate": 1250.0, "seconds": 9},
    {"engine": "jax", "row": "all", "rate": 300.0, "seconds": 9},
]


def test_the_table_of_a_gpu_has_ratios_to_timm_and_names_what_is_left_out():
    text = gpu.table(ROWS, {"torch": "out of time after 9 s"}, ENGINES, "A card.", {"jax": 1.5e-3})
    assert "| extraction | timm | 1,000 |  |" in text
    assert "| extraction | ours, Keras on JAX | 1,250 | x 1.25 |" in text
    assert "| training, all layers | ours, Keras on JAX | 300 |  |" in text, "timm has no such row"
    assert "training, all layers, timm (no row)" in text
    assert "extraction, ours, Keras on PyTorch (out of time after 9 s)" in text
    assert "ours, Keras on JAX 1.5e-03" in text


@pytest.mark.parametrize(
    ("end", "seconds", "reason"),
    [
        ("", 30, ""),
        ("time.sleep(60)", 1, "out of time after 1 s"),
        ("raise OSError('lost')", 30, "failed: OSError: lost"),
    ],
)
def test_an_engine_that_takes_too_long_or_fails_keeps_its_rows(end, seconds, reason):
    code = f"import time\nprint('a notice')\nprint({json.dumps(ROWS[0])!r}, flush=True)\n{end}"
    begun = time.monotonic()
    found = gpu.rows_of([sys.executable, "-c", code], dict(os.environ), seconds)
    assert found == ([ROWS[0]], reason)
    assert time.monotonic() - begun < 25, "it was waited for"


def test_the_time_of_all_engines_together_is_bounded(tmp_path, monkeypatch):
    now, allowed = [0.0], []

    def takes_all(command, environment, seconds):
        allowed.append(seconds)
        now[0] += seconds
        return [], f"out of time after {seconds:.0f} s"

    monkeypatch.setattr(gpu.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(gpu, "rows_of", takes_all)
    given = gpu.argparse.Namespace(seconds=90.0, batch=8, row_seconds=1.0)
    rows, reasons = gpu.measure(tmp_path, ENGINES, given)
    assert rows == [] and list(reasons) == ENGINES
    assert sum(allowed) == pytest.approx(72) and allowed[0] < 60, "the rest is for the trainings at once"


def test_small_trainings_at_once_are_told_by_what_they_do_together(tmp_path, monkeypatch, capsys):
    def alone_or_slower(command, environment, seconds):
        assert environment["KERAS_BACKEND"] == "jax" and environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
        count = int(command[command.index("--at-once") + 1])
        return [{"engine": "jax", "row": "small", "rate": 1000.0 if count == 1 else 600.0}], ""

    given = gpu.argparse.Namespace(batch=8, row_seconds=1.0)
    monkeypatch.setattr(gpu, "rows_of", alone_or_slower)
    text = gpu.sharing_table(gpu.measure_sharing(tmp_path, ENGINES, given, 60.0))
    assert "| ours, Keras on JAX | 1 | 1,000 |  |" in text and "| ours, Keras on JAX | 3 | 1,800 | x 1.80 |" in text
    monkeypatch.setattr(gpu, "rows_of", lambda *given: ([], "out of time after 1 s"))
    assert gpu.measure_sharing(tmp_path, ENGINES, given, 1.0) == [] and gpu.sharing_table([]) == ""
    assert "ResNet-8, 3 at once: out of time after 1 s" in capsys.readouterr().out
    assert gpu.measure_sharing(tmp_path, ["timm"], given, 60.0) == []


def test_wheels_are_fetched_for_the_other_interpreter_without_what_they_need(tmp_path):
    command = gpu.download_command(tmp_path, "3.12", gpu.PACKED)
    assert command[command.index("--python-version") + 1] == "3.12" and "--no-deps" in command
    names = [part.partition("==")[0] for part in command if "==" in part]
    assert names == list(gpu.PACKED)
    assert not {"tensorflow", "torch", "jax", "timm"} & set(names)


def test_pixels_are_of_at_most_60_mb(tmp_path):
    with pytest.raises(SystemExit, match="are more than 60,000,000 bytes; lower --images"):
        gpu.pack(tmp_path / "out", 1200, 224, "3.12", False)
    assert not (tmp_path / "out").exists()


def test_positions_come_in_whole_batches():
    assert [list(batch) for batch in gpu.whole_batches(5, 2)] == [[0, 1], [2, 3], [4, 0]]
    assert [len(batch) for batch in gpu.drawn(5, 3, 4)] == [3] * 4


def test_every_published_tensor_has_a_name_in_timm():
    assert tuple(stage.repeats for stage in LITE0) == timm_lite0.STAGES
    state = timm_lite0.published_weights()
    named = timm_lite0.renamed(state)
    assert len(named) == len(state) - 2, "all but the classifier"
    assert named["blocks.0.0.conv_pw.weight"].shape == (16, 32, 1, 1)
    assert named["blocks.6.0.conv_pwl.weight"].shape == (320, 1152, 1, 1)
    assert named["bn2.weight"].shape == (1280,)


def test_the_table_of_peers_sets_them_beside_ours():
    rows = {
        "ours": peers.Measured(50.0, 90.0, [0.7, 0.8]),
        "keras": peers.Measured(160.0, 300.0, [0.6, 0.7]),
    }
    text = peers.table(rows, "Two cores.")
    assert f"| {peers.WAYS['ours']} | 50 | 90 |  | 0.700 0.800 | 0.750 |" in text
    assert "One seed and 2 folds rank no qualities" in text
    assert f"| {peers.WAYS['keras']} | 160 | 300 | x 3.20 | 0.600 0.700 | 0.650 |" in text


def test_peers_train_for_the_whole_budget_in_passes_of_all_images():
    fold = peers.Fold(np.arange(10, 60), np.arange(9), np.zeros(60, "int64"))
    steps = list(peers.torch_batches(fold, 2))
    assert [len(batch) for batch in steps] == [peers.BATCH] * 2 * peers.STEPS
    counts = np.bincount(np.concatenate(steps), minlength=60)
    assert counts[:10].sum() == 0 and np.ptp(counts[10:]) <= 1
