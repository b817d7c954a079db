"""The three arms: what each may change, what it leaves, and that it leaves the same bytes twice."""

import itertools
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.arms import train
from pipeline.results.result import read_result
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, sha256_file
from pipeline.store.paths import Paths
from pipeline.training.fit import fit

ARMS = {"head": "to-defect", "tune": "to-defect", "scratch": "defect-tiny"}
FOLDS = range(4)  # of both repeats


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


def arm(paths, stage):
    kind, name = {"head": ("heads", "head"), "tune": ("transfers", "tuned"), "scratch": ("baselines", "scratch")}[stage]
    return paths.trained(kind, ARMS[stage]).arm(name)


# ---- the contract of an arm ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ARMS)
def test_every_image_is_predicted_once_in_its_fold_of_each_repeat(paths, stage):
    table = read_parquet(arm(paths, stage).predictions)
    classes = [f"p_{name}" for name in sorted({tiny_world.BAD, tiny_world.GOOD})]
    assert list(table) == ["row", "image_id", "fold", "label", *classes]
    pd.testing.assert_frame_equal(
        table[["row", "image_id", "fold", "label"]], tiny_world.tests_of(paths.target("defect").examples)
    )
    assert table[classes].dtypes.eq("float32").all() and table[classes].min().min() >= 0
    np.testing.assert_allclose(table[classes].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("stage", ARMS)
def test_the_saved_model_gives_the_predictions(paths, stage):
    """Plain Keras loads it, in safe mode."""
    files = arm(paths, stage)
    table = read_parquet(files.predictions)
    for fold, rows in table.groupby("fold"):
        model = keras.saving.load_model(files.model(fold))
        if stage == "head":
            inputs = read_npy(paths.features("to-defect").pooled)[rows["row"].to_numpy()]
        else:
            images = read_npy(paths.dataset("toy").images)[rows["row"].to_numpy()]
            inputs = np.repeat(images, 3, axis=-1).astype("float32")
        tolerance = 2e-3 if stage == "tune" else 1e-5  # tune predicts from activations kept as float16
        np.testing.assert_allclose(rows.iloc[:, 4:], model.predict(inputs, verbose=0), atol=tolerance)


@pytest.mark.parametrize("stage", ARMS)
def test_history_and_cost_agree(paths, stage):
    files = arm(paths, stage)
    history, cost = pd.read_csv(files.history), read_json(files.cost)
    for fold in cost["folds"]:
        chosen = history[(history["fold"] == fold["fold"]) & history["chosen"]]
        assert chosen["epoch"].tolist() == list(range(fold["epochs"] + 1))
        trained = chosen[chosen["epoch"] > 0]  # the untrained network is no candidate, however good
        assert trained["epoch"][trained["val_loss"].idxmin()] == fold["kept_epoch"]
        assert chosen["gflops"].is_monotonic_increasing and chosen["gflops"].iloc[0] == 0
        assert chosen["gflops"].iloc[-1] == pytest.approx(fold["gflops_chosen"])
    for count in ("gflops", "forward_gflops", "backward_gflops"):
        assert cost[count] == pytest.approx(sum(fold[count] for fold in cost["folds"]))
    assert cost["forward_gflops"] + cost["backward_gflops"] == pytest.approx(cost["gflops"], rel=1e-12)
    ratio = cost["backward_gflops"] / cost["forward_gflops"]
    assert 0.9 < ratio < 2 if stage == "scratch" else 0 < ratio < 1.5  # head: no gradient of inputs; tune: cut off


def test_the_head_says_which_forecast_it_found(paths):
    found = {fold["forecast_sha256"] for fold in read_json(arm(paths, "head").cost)["folds"]}
    assert found == {sha256_file(paths.forecast("to-defect").forecast)}
    assert not [fold for stage in ("tune", "scratch") for fold in read_json(arm(paths, stage).cost)["folds"]
                if "forecast_sha256" in fold]  # fmt: skip


def test_a_head_is_not_trained_without_a_forecast(world_copy):
    copy = world_copy()
    shutil.rmtree(Paths(copy.root).forecast("to-defect").folder)
    with pytest.raises(InputError, match=r"forecasts/to-defect is absent .* Run `dvc repro`"):
        tiny_world.run_cell(copy.root, "head", "to-defect")


def test_arms_that_are_compared_try_the_same_number_of_settings(paths):
    tried = [[fold["settings_tried"] for fold in read_json(arm(paths, stage).cost)["folds"]] for stage in ARMS]
    assert tried[0] == tried[1] == tried[2] == [1, 1, 1, 1]


def test_arms_that_are_compared_learn_from_the_same_images(paths):
    counts = [[fold["train_images"] for fold in read_json(arm(paths, stage).cost)["folds"]] for stage in ARMS]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("stage", ["head", "scratch"])
def test_a_stage_that_runs_twice_leaves_the_same_bytes(world, world_copy, stage):
    """In another folder, after other networks; only the clock differs."""
    copy = world_copy()
    tiny_world.run_cell(copy.root, stage, ARMS[stage])
    before, after = (digests(arm(Paths(root), stage).folder) for root in (world.root, copy.root))
    assert before == after


def digests(folder):
    check_sealed(folder.parent)
    return {path.name: sha256_file(path) for path in folder.iterdir()}


# ---- frozen and unfrozen ---------------------------------------------------------------------------------------------


def layers(path):
    """Layer name -> weights by name, of a saved network."""
    return {
        layer.name: {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
        for layer in keras.saving.load_model(path).layers
        if layer.weights
    }


def moved(paths, fold):
    """Weights of the tuned network, as layer/weight, that are not the source's to the bit."""
    source, tuned = layers(paths.source("tiny").backbone), layers(arm(paths, "tune").model(fold))
    assert source.keys() <= tuned.keys()
    return {
        f"{layer}/{name}"
        for layer, weights in source.items()
        for name in weights
        if weights[name].tobytes() != tuned[layer][name].tobytes()
    }


@pytest.mark.parametrize("fold", FOLDS)
def test_tuning_moves_the_unfrozen_layers_and_nothing_else(paths, fold):
    """No statistic of batch normalisation moves either, also not of the unfrozen block (batch_norm: frozen)."""
    assert read_json(arm(paths, "tune").cost)["folds"][fold]["kept_epoch"] > 0, "the toy is no longer tuned"
    assert {"block2_conv/kernel"} <= moved(paths, fold) <= {"block2_conv/kernel", "block2_conv/bias"}


@pytest.mark.slow
def test_with_batch_norm_in_training_the_trunk_stays(world_copy):
    copy = world_copy(tune={"batch_norm": "train"})
    tiny_world.run_cell(copy.root, "tune", "to-defect")
    changed = moved(Paths(copy.root), 0)
    assert {layer.partition("/")[0] for layer in changed} == {"block2_conv", "block2_bn"}
    assert {"block2_bn/moving_mean", "block2_bn/moving_variance"} <= changed


@pytest.mark.slow
def test_all_layers_are_tuned_from_pixels(world_copy):
    copy = world_copy(tune={"unfreeze": "all"})
    paths = Paths(copy.root)
    tiny_world.run_cells(copy.root, "extract", "tune", "evaluate", only="to-defect")
    assert not paths.features("to-defect").cut.exists()
    assert {f"{block}_conv/kernel" for block in ("stem", "block1", "block2")} <= moved(paths, 0)
    assert not [weight for weight in moved(paths, 0) if "moving" in weight]
    assert read_result(paths.question("to-defect").result).arm == "chosen"


# ---- ways to tune ----------------------------------------------------------------------------------------------------

METHODS = ("joint", "gradual", "layerwise", "l2_sp")
ALL_BLOCKS = {"unfreeze": "all", "epochs": 6, "patience": 6, "layer_decay": 0.1, "l2_sp": 10.0}


def tune_by(world, own, seen):
    """Tune all blocks of to-defect by `own`; `seen` gets the trainable weights of fold 0 epoch by epoch, by name."""

    def watched(model, load, train_part, validation, plan, on_epoch, *rest):
        epochs = []

        def look(row, kept):
            epochs.append({v.path: keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables})
            on_epoch(row, kept)

        seen.append(epochs)
        return fit(model, load, train_part, validation, plan, look, *rest)

    transfer = world.raw["transfers"]["to-defect"] | own.get("transfer", {})
    tune = world.raw["tune"] | ALL_BLOCKS | own.get("tune", {})
    tiny_world.write_params(
        world.root, world.raw | {"transfers": world.raw["transfers"] | {"to-defect": transfer}, "tune": tune}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "fit", watched)
        tiny_world.run_cell(world.root, "tune", "to-defect")
    return digests(arm(Paths(world.root), "tune").folder)


@pytest.fixture(scope="module")
def tuned(world, tmp_path_factory):
    """Method -> the digests of its out, and the weights of its first fold epoch by epoch; and the world it ran in."""
    copy = world._replace(root=tmp_path_factory.mktemp("methods") / "copy")
    shutil.copytree(world.root, copy.root)
    tiny_world.write_params(copy.root, world.raw | {"tune": world.raw["tune"] | ALL_BLOCKS})
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    outs, epochs = {}, {}
    for method in METHODS:
        seen = []
        outs[method] = tune_by(copy, {"tune": {"method": method}}, seen)
        epochs[method] = seen[0]
    return copy, outs, epochs


def step(epochs, epoch, part):
    """How far the kernel of a part (stem, block1, block2, probs) moved from before training to an epoch: RMS."""
    (name,) = (name for name in epochs[0] if name.startswith(part) and name.endswith("kernel"))
    return float(np.sqrt(np.square(epochs[epoch][name] - epochs[0][name]).mean()))


@pytest.mark.parametrize(
    ("method", "begins"),  # the epoch in which stem, block1, block2 and the head first move
    [("joint", [1, 1, 1, 1]), ("gradual", [3, 2, 1, 1]), ("layerwise", [1, 1, 1, 1]), ("l2_sp", [1, 1, 1, 1])],
)
@pytest.mark.slow
def test_a_method_trains_blocks_from_its_epoch_on(tuned, method, begins):
    epochs = tuned[2][method]
    moves = [[step(epochs, epoch, part) > 0 for epoch in range(7)] for part in ("stem", "block1", "block2", "probs")]
    assert [moved.index(True) for moved in moves] == begins


@pytest.mark.parametrize("method", METHODS)
def test_only_layerwise_moves_a_block_by_a_tenth_of_the_one_above(tuned, method):
    """Adam's steps are as long as the rate, whatever the gradient."""
    lengths = [step(tuned[2][method], -1, part) for part in ("stem", "block1", "block2", "probs")]
    falls = [low / high for low, high in itertools.pairwise(lengths)]
    if method == "layerwise":
        assert max(falls) < 0.25
    else:
        assert max(falls) > 0.25


def test_l2_sp_ends_nearer_to_the_source_than_joint(tuned):
    for part in ("stem", "block1", "block2"):
        assert step(tuned[2]["l2_sp"], -1, part) < step(tuned[2]["joint"], -1, part) / 2


def test_a_transfers_own_method_comes_before_that_of_tune(tuned):
    world, outs, _ = tuned
    assert len({out["fold0.keras"] for out in outs.values()}) == len(METHODS)
    own = {"tune": {"method": "joint"}, "transfer": {"method": "gradual"}}
    assert tune_by(world, own, []) == outs["gradual"]


# ---- from random weights ---------------------------------------------------------------------------------------------


def test_scratch_begins_from_weights_of_its_own(paths):
    source, scratch = layers(paths.source("tiny").backbone), layers(arm(paths, "scratch").model(0))
    assert source.keys() <= scratch.keys()
    for name in ("stem_conv", "block1_conv", "block2_conv"):
        correlation = np.corrcoef(source[name]["kernel"].ravel(), scratch[name]["kernel"].ravel())[0, 1]
        assert abs(correlation) < 0.5
