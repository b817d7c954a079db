"""extract: what the frozen layers say, computed once, equals what the whole backbone says."""

import shutil

import keras
import numpy as np
import pytest
import tiny_world

from pipeline.arms.networks import TunedNetwork
from pipeline.networks.freezing import split_at
from pipeline.stages import extract
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, seal, sha256_file, write_parquet
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.training.augmentation import view


@pytest.fixture(scope="module")
def features(world):
    files = Paths(world.root).features("to-defect")
    check_sealed(files.folder)
    return files


@pytest.fixture(scope="module")
def pixels(world):
    rows = read_parquet(Paths(world.root).target("defect").examples)["row"].to_numpy()
    return np.repeat(read_npy(Paths(world.root).dataset("toy").images)[rows], 3, axis=-1)


def test_pooled_features_are_the_backbones_means_over_space(world, features, pixels):
    backbone = keras.saving.load_model(Paths(world.root).source("tiny").backbone)
    expected = backbone.predict(pixels.astype("float32"), verbose=0).mean((1, 2))
    pooled = read_npy(features.pooled)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-5)


def test_activations_at_the_cut_are_those_of_every_view(world, features, pixels):
    backbone = keras.saving.load_model(Paths(world.root).source("tiny").backbone)
    cost, cut = read_json(features.cost), read_npy(features.cut)
    trunk, _ = split_at(backbone, cost["cut"])
    assert (cost["cut"], cost["views"], cost["images"]) == ("block1_relu", 2, tiny_world.IMAGES)
    assert cut.shape == (tiny_world.IMAGES, 2, *trunk.output_shape[1:])
    for index in range(2):
        expected = trunk.predict(view(pixels, "mirror", index).astype("float32"), verbose=0)
        np.testing.assert_allclose(cut[:, index], expected, rtol=1e-3, atol=1e-3)  # float16


def test_training_from_the_cut_is_training_the_whole_network(world, features, pixels):
    paths = Paths(world.root)
    backbone, head = paths.source("tiny").backbone, paths.trained("heads", "to-defect").arm("head").model(0)
    network = TunedNetwork(backbone, head, "block1_relu", tiny_world.SIZE, "frozen")
    trained, whole, _ = network.build(dropout=0.0, l2=0.0, seed=1)
    cached = trained.predict(np.asarray(read_npy(features.cut)[:, 1], "float32"), verbose=0)
    np.testing.assert_allclose(cached, whole.predict(view(pixels, "mirror", 1).astype("float32"), verbose=0), atol=2e-3)
    head = keras.saving.load_model(paths.trained("heads", "to-defect").arm("head").model(0))
    direct = head.predict(np.asarray(read_npy(features.pooled)), verbose=0)
    np.testing.assert_allclose(direct, whole.predict(pixels.astype("float32"), verbose=0), atol=1e-5)


def test_a_damaged_backbone_is_refused(world_copy):
    copy = world_copy()
    file = Paths(copy.root).source("tiny").backbone
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"backbone\.keras is damaged"):
        tiny_world.run_cell(copy.root, "extract", "to-defect")


@pytest.mark.parametrize(("unfreeze", "allowed"), [(9, "0 to"), ("blok2", "block2")])
def test_layers_that_are_not_there_are_refused_with_those_that_are(world_copy, unfreeze, allowed):
    copy = world_copy(tune={"unfreeze": unfreeze})
    with pytest.raises(InputError, match=rf"unfreeze is .*{allowed}"):
        tiny_world.run_cell(copy.root, "extract", "to-defect")
    check_sealed(Paths(copy.root).features("to-defect").folder)  # the last good features are still there


def test_a_transfer_may_unfreeze_less_than_others(world_copy, world):
    own = {"to-defect": world.raw["transfers"]["to-defect"] | {"unfreeze": 0}}
    copy = world_copy(transfers=own)
    for stage in ("extract", "tune"):
        tiny_world.run_cell(copy.root, stage, "to-defect")
    paths = Paths(copy.root)
    assert not paths.features("to-defect").cut.exists()
    assert read_json(paths.trained("transfers", "to-defect").facts)["arms"] == ["head"]
    extracted = read_json(paths.features("to-defect").cost)
    assert extracted["forward_gflops"] == extracted["gflops"] > extracted["backward_gflops"] == 0


def test_features_are_kept_and_are_to_the_byte_what_computing_them_gives(world, world_copy, monkeypatch):
    """The folds have no part in them; whatever else changes makes others."""
    copy, calls, write_features = world_copy(run={"repeats": 1}), [], extract.write_features
    monkeypatch.setattr(extract, "write_features", lambda *given: calls.append(given) or write_features(*given))
    paths = Paths(copy.root)
    before = digests(Paths(world.root).features("to-defect").folder)
    tiny_world.run_cell(copy.root, "split", "defect")
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert calls == [] and digests(paths.features("to-defect").folder) == before
    shutil.rmtree(paths.store)
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert len(calls) == 1 and digests(paths.features("to-defect").folder) == before
    copy.raw["run"]["augmentation"] = "none"
    tiny_world.write_params(copy.root, copy.raw)
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert len(calls) == 2 and digests(paths.features("to-defect").folder) != before


def test_an_interrupted_extraction_leaves_neither_features_nor_an_entry(world_copy, monkeypatch):
    copy = world_copy()
    paths = Paths(copy.root)
    shutil.rmtree(paths.store)
    before = digests(paths.features("to-defect").folder)

    def cut_short(backbone, cut, load, examples, views, files, label):
        files.cost.write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(extract, "write_features", cut_short)
    with pytest.raises(KeyboardInterrupt):
        tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert digests(paths.features("to-defect").folder) == before and Store(paths.store).entries() == []


def digests(folder):
    check_sealed(folder)
    return {path.name: sha256_file(path) for path in folder.iterdir()}


def test_a_source_that_learnt_from_the_target_is_refused(world_copy):
    copy = world_copy()
    paths = Paths(copy.root)
    manifest = read_parquet(paths.dataset("toy").manifest).head(3)
    seen = manifest[["image_id", "unit", "phash"]].assign(dataset="toy")
    write_parquet(paths.source("tiny").seen, seen)
    (paths.source("tiny").folder / "sha256.json").unlink()
    seal(paths.source("tiny").folder)
    with pytest.raises(InputError, match=r"Source 'tiny' .* target 'defect' .*3 of its"):
        tiny_world.run_cell(copy.root, "extract", "to-defect")
