"""Training a fold: its contract, selection on validation only, no leakage from the test images."""

import io
import zipfile

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tiny_world
import toy_fold
from toy_fold import head_spec, write_inputs

from pipeline.arms.networks import ScratchNetwork
from pipeline.arms.spec import Setting, sweep
from pipeline.arms.train import train_arm, train_fold
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, sha256_file
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths
from pipeline.training import compile_cache
from pipeline.training.fit import compile_model


def trained_arm(specs, out, store, **options):
    return train_arm(specs, "head", out, store, "head@cells", {"target": "cells"}, **options)


@pytest.fixture(scope="module")
def examples():
    return toy_fold.examples()


@pytest.fixture(scope="module")
def features(examples):
    return toy_fold.features(examples)


@pytest.fixture(scope="module")
def result(tmp_path_factory, examples, features):
    return train_fold(head_spec(write_inputs(tmp_path_factory.mktemp("fold"), examples, features)))


def test_every_setting_is_tried_and_the_best_on_validation_is_chosen(result):
    tried = result.history.groupby(["learning_rate", "l2"])["val_loss"].min()
    assert len(tried) == result.cost["settings_tried"] == 3
    assert tried.idxmin() == (result.cost["learning_rate"], result.cost["l2"]) == (5e-2, 0.0)
    chosen = result.history[result.history["chosen"]]
    assert set(zip(chosen["learning_rate"], chosen["l2"], strict=True)) == {tried.idxmin()}
    assert chosen["epoch"].tolist() == list(range(result.cost["epochs"] + 1))
    assert chosen.loc[chosen["val_loss"].idxmin(), "epoch"] == result.cost["kept_epoch"]


def test_predictions_are_those_of_the_model_on_the_tested_rows(result, examples, features):
    tested = examples[examples["role_0"] == "test"]
    assert list(result.predictions) == [
        "row", "image_id", "fold", "label", f"p_{tiny_world.BAD}", f"p_{tiny_world.GOOD}"
    ]  # fmt: skip
    assert result.predictions["image_id"].tolist() == tested["image_id"].tolist()
    assert result.predictions["label"].tolist() == tested["label"].tolist()
    expected = result.model.predict(features[tested["row"]], verbose=0)
    np.testing.assert_allclose(result.predictions.iloc[:, 4:], expected, atol=1e-6)


def test_the_trajectory_holds_every_kept_epoch_so_far_and_ends_with_the_predictions(result):
    chosen = result.history[result.history["chosen"]]
    best = chosen[chosen["val_loss"] < chosen["val_loss"].cummin().shift(fill_value=np.inf)]
    spent = result.trajectory.groupby("epoch")[["images_seen", "gflops"]].first().reset_index()
    pd.testing.assert_frame_equal(spent, best[["epoch", "images_seen", "gflops"]].reset_index(drop=True))
    last = result.trajectory[result.trajectory["epoch"] == result.cost["kept_epoch"]]
    pd.testing.assert_frame_equal(
        last[result.predictions.columns].reset_index(drop=True), result.predictions.reset_index(drop=True)
    )


def test_cost_counts_the_whole_sweep_and_the_chosen_setting(result):
    last = result.history.groupby(["learning_rate", "l2"])[["images_seen", "gflops"]].max()
    assert result.cost["images_seen"] == last["images_seen"].sum()
    np.testing.assert_allclose(result.cost["gflops"], last["gflops"].sum())
    np.testing.assert_allclose(result.cost["gflops_chosen"], last.loc[(5e-2, 0.0), "gflops"])
    assert result.cost["trainable_parameters"] == 5 * 2 + 2
    assert result.cost["train_images"] == 24


def test_cost_splits_forward_from_backward_and_validates_forward(result):
    """A head of 2 outputs on 5 features: no gradient of its inputs, so backward costs an image what forward does."""
    dense = (2 * 5 * 2 + 2 + 2) / 1e9  # weights, bias, softmax
    validated = 12 * (result.history["epoch"] > 0).sum()
    np.testing.assert_allclose(result.cost["backward_gflops"], result.cost["images_seen"] * dense)
    np.testing.assert_allclose(result.cost["forward_gflops"], (result.cost["images_seen"] + validated) * dense)
    both = result.cost["forward_gflops"] + result.cost["backward_gflops"]
    np.testing.assert_allclose(both, result.cost["gflops"], rtol=1e-12)


def swapped_test_labels(examples):
    other = {tiny_world.BAD: tiny_world.GOOD, tiny_world.GOOD: tiny_world.BAD}
    tested = examples["role_0"] == "test"
    return examples.assign(
        label=examples["label"].where(~tested, examples["label"].map(other)),
        weight=examples["weight"].where(~tested, 0.01),
    )


def test_nothing_reaches_a_head_from_the_tested_rows(tmp_path, result, examples, features):
    poisoned = np.where((examples["role_0"] == "test").to_numpy()[:, None], -50 * features, features)
    again = train_fold(head_spec(write_inputs(tmp_path, swapped_test_labels(examples), poisoned)))
    assert_same_training(again, result)
    assert not np.allclose(again.predictions.iloc[:, 4:], result.predictions.iloc[:, 4:])


def test_nothing_reaches_a_network_from_the_tested_pixels(tmp_path, examples):
    sha256 = tiny_world.write_backbone(tmp_path / "own.keras")
    images = tiny_world.pixels(tiny_world.manifest())
    poisoned = images.copy()
    poisoned[(examples["role_0"] == "test").to_numpy()] //= 7
    results = []
    for name, table, inputs in (("a", examples, images), ("b", swapped_test_labels(examples), poisoned)):
        folder = write_inputs(tmp_path / name, table, inputs)
        network = ScratchNetwork(str(tmp_path / "own.keras"), tiny_world.SIZE, 2, 0.9, sha256)
        changes = {"arm": "scratch", "kind": "pixels", "network": network, "augmentation": "mirror"}
        results.append(train_fold(head_spec(folder, settings=sweep([1e-2]), **changes)))
    assert_same_training(*results)
    assert results[0].cost["kept_epoch"] > 0, "the toy is no longer learnt"
    assert not np.allclose(results[0].predictions.iloc[:, 4:], results[1].predictions.iloc[:, 4:])


def assert_same_training(first, second):
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    assert first.cost == second.cost
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_fold_does_not_depend_on_what_the_process_did_before(tmp_path, result, examples, features):
    keras.utils.set_random_seed(99)
    keras.layers.Dense(3).build((None, 2))
    np.random.random(5)
    again = train_fold(head_spec(write_inputs(tmp_path, examples, features)))
    assert_same_training(again, result)
    pd.testing.assert_frame_equal(again.predictions, result.predictions, check_exact=True)


@pytest.mark.slow
def test_folds_share_a_compiled_network_and_nothing_else(tmp_path, monkeypatch, examples, features):
    """A fold after another is what it is alone, to the bit; the step is compiled once a penalty."""
    compiled = []
    monkeypatch.setattr(compile_cache, "_compiled", {})
    monkeypatch.setattr(compile_cache, "compile_model", lambda *given: compiled.append(given) or compile_model(*given))
    other = examples["role_0"].map({"train": "train", "validation": "test", "test": "validation"})
    folder = write_inputs(tmp_path, examples.assign(role_1=other), features)
    specs = [head_spec(folder, fold=fold, dropout=0.5) for fold in (0, 1)]
    together = [train_fold(spec) for spec in specs]
    assert len(compiled) == 2  # penalties 0 and 10, two rates, two folds
    monkeypatch.setattr(compile_cache, "_compiled", {})
    alone = train_fold(specs[1])
    assert_same_training(together[1], alone)
    files = [TrainedPaths(tmp_path / name) for name in ("together", "alone")]
    for result, out in zip((together[1], alone), files, strict=True):
        trained_arm(specs[1:], out, Store(out.folder.with_suffix(".kept")), call=lambda spec, result=result: result)
    assert sha256_file(files[0].arm("head").model(1)) == sha256_file(files[1].arm("head").model(1))
    assert together[0].cost["fold"] == 0  # what the first fold came to is still its own
    assert any(
        one.tobytes() != other.tobytes()
        for one, other in zip(together[0].model.get_weights(), together[1].model.get_weights(), strict=True)
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, examples, features):
    """The folder with the inputs of two folds."""
    return write_inputs(tmp_path_factory.mktemp("inputs"), examples.assign(role_1=examples["role_0"]), features)


def test_a_saved_network_carries_no_optimizer(tmp_path, inputs, result):
    out = TrainedPaths(tmp_path / "out")
    trained_arm([head_spec(inputs)], out, Store(tmp_path / "kept"), call=lambda spec: result)
    model = keras.saving.load_model(out.arm("head").model(0))
    assert not model.compiled
    with zipfile.ZipFile(out.arm("head").model(0)) as archive, archive.open("model.weights.h5") as file:
        assert "optimizer" not in h5py.File(io.BytesIO(file.read()))


def test_an_arm_is_written_whole_and_twice_the_same(tmp_path, inputs, result):
    files = []
    for name in ("a", "b"):
        out = TrainedPaths(tmp_path / name)
        spec = head_spec(inputs)
        line = trained_arm([spec], out, Store(tmp_path / "kept"), call=lambda spec: result)
        check_sealed(out.folder)
        files.append({path.name: sha256_file(path) for path in out.folder.rglob("*") if path.is_file()})
    assert files[0] == files[1]
    arm = {"fold0.keras", "predictions.parquet", "trajectory.parquet", "history.csv", "cost.json"}
    assert set(files[0]) == {*arm, "facts.json", "sha256.json"}
    assert line.startswith("1 folds, epochs ")


def test_a_fold_that_fails_leaves_no_out(tmp_path, inputs, result):
    specs = [head_spec(inputs), head_spec(inputs, fold=1)]

    def call(spec):
        if spec.fold:
            raise InputError("the loss became nan")
        return result

    with pytest.raises(InputError):
        trained_arm(specs, TrainedPaths(tmp_path / "out"), Store(tmp_path / "kept"), call=call)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_sweep_is_every_rate_with_every_penalty_in_order():
    assert sweep([3.0, 1.0], [0.0, 0.5]) == (
        Setting(3.0, 0.0), Setting(3.0, 0.5), Setting(1.0, 0.0), Setting(1.0, 0.5)
    )  # fmt: skip
    assert sweep([3.0]) == (Setting(3.0, 0.0),)
