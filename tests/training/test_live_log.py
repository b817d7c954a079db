"""Live logs: DVCLive's rows equal the history, and training goes on where DVCLive cannot start."""

import contextlib

import pandas as pd
import pytest
import toy_fold
from dvc.repo import Repo
from scmrepo.git import Git

from pipeline.arms.train import train_fold
from pipeline.store.files import read_json
from pipeline.store.paths import Paths
from pipeline.training.live_log import live_log


def check_log(history, live):
    """Hold a history against the logs that `live` names, fold -> folder; returns the number of fits."""
    fits = history.groupby(["fold", "learning_rate", "l2"])
    for (fold, rate, l2), rows in fits:
        folder = live(fold) / f"rate-{rate:g}-l2-{l2:g}"
        for metric in ("images_seen", "gflops", "loss", "val_loss", "val_balanced_accuracy"):
            logged = pd.read_csv(folder / "plots" / "metrics" / f"{metric}.tsv", sep="\t").set_index("step")[metric]
            expected = rows.set_index("epoch")[metric].dropna()  # before training there is no loss
            pd.testing.assert_series_equal(logged, expected, check_names=False, check_dtype=False, rtol=1e-8)
        summary = read_json(folder / "metrics.json")
        assert summary["step"] == rows["epoch"].max()
        assert summary["val_loss"] == pytest.approx(rows["val_loss"].iloc[-1])
    return len(fits)


def test_every_epoch_of_every_fold_is_logged(world):
    paths = Paths(world.root)
    history = pd.read_csv(paths.trained("heads", "to-defect").arm("head").history)
    assert check_log(history, lambda fold: paths.live("head", "to-defect", fold)) == 4


def test_every_epoch_of_every_setting_is_logged(tmp_path):
    table = toy_fold.examples()
    folder = toy_fold.write_inputs(tmp_path / "inputs", table, toy_fold.features(table))
    with contextlib.chdir(tmp_path):
        fitted = train_fold(toy_fold.head_spec(folder, live=tmp_path / "live"))
    assert check_log(fitted.history, lambda fold: tmp_path / "live") == len(toy_fold.SETTINGS)


def test_a_log_begins_anew_with_every_fit(tmp_path):
    for losses in ([3.0, 2.0], [1.0]):
        with contextlib.chdir(tmp_path), live_log(tmp_path / "live") as log:
            for epoch, loss in enumerate(losses):
                log({"epoch": epoch, "loss": loss})
    logged = pd.read_csv(tmp_path / "live" / "plots" / "metrics" / "loss.tsv", sep="\t")
    assert logged["loss"].tolist() == [1.0]


def test_a_repository_without_a_commit_loses_the_live_log_alone(tmp_path):
    Git.init(str(tmp_path)).close()
    Repo.init(str(tmp_path)).close()
    table = toy_fold.examples()
    folder = toy_fold.write_inputs(tmp_path / "inputs", table, toy_fold.features(table))
    spec = toy_fold.head_spec(folder, settings=toy_fold.SETTINGS[1:2])
    with contextlib.chdir(tmp_path):
        watched = train_fold(toy_fold.head_spec(folder, settings=spec.settings, live=tmp_path / "live"))
    assert not (tmp_path / "live").exists()
    plain = train_fold(spec)
    pd.testing.assert_frame_equal(watched.history, plain.history, check_exact=True)
    pd.testing.assert_frame_equal(watched.predictions, plain.predictions, check_exact=True)
