"""extract: what the frozen layers say, computed once and of what is read alone, equals what the whole backbone says."""

import shutil
from dataclasses import replace

import joblib
import keras
import numpy as np
import pytest
import tiny_world

from pipeline.arms.keeping import keys
from pipeline.arms.networks import TunedNetwork
from pipeline.arms.train import train_fold
from pipeline.config.loading import load_params
from pipeline.networks.flops import forward_flops
from pipeline.networks.freezing import split_at
from pipeline.stages import extract, tune
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, seal, sha256_file, write_parquet
from pipeline.store.kept import Store
from pipeline.store.outs import FeaturePaths
from pipeline.store.paths import Paths
from pipeline.store.roles import fold_count, role_column
from pipeline.training.augmentation import view
from pipeline.training.batches import activation_loader, found_at
from pipeline.training.on_device import images_loader


@pytest.fixture(scope="module")
def features(world):
    files = Paths(world.root).features("to-defect")
    check_sealed(files.folder)
    return files


@pytest.fixture(scope="module")
def pixels(world):
    rows = read_parquet(Paths(world.root).target("defect").examples)["row"].to_numpy()
    return np.repeat(read_npy(Paths(world.root).dataset("toy").images)[rows], 3, axis=-1)


@pytest.fixture
def few(world_copy):
    """The world with four labels a class and dihedral views, extracted."""
    few = {"dataset": "toy", "label": "defect", "labels_per_class": 4}
    copy = world_copy(run={"augmentation": "dihedral"}, targets={"defect": few})
    for stage, name in (("split", "defect"), ("extract", "to-defect")):
        tiny_world.run_cell(copy.root, stage, name)
    return copy


def trained_somewhere(examples):
    """The images that a fold trains on: bool (examples,)."""
    return (examples[[role_column(fold) for fold in range(fold_count(examples))]] == "train").any(axis=1).to_numpy()


def reference(paths, pixels, index, augmentation):
    """The activations of all images in one view, float32 (examples, h, w, c), by Keras' own `predict`."""
    backbone = keras.saving.load_model(paths.source("tiny").backbone)
    trunk, _ = split_at(backbone, read_json(paths.features("to-defect").cost)["cut"])
    return trunk.predict(view(pixels, augmentation, index).astype("float32"), verbose=0)


def test_pooled_features_are_the_backbones_means_over_space(world, features, pixels):
    backbone = keras.saving.load_model(Paths(world.root).source("tiny").backbone)
    expected = backbone.predict(pixels.astype("float32"), verbose=0).mean((1, 2))
    pooled = read_npy(features.pooled)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-5)


def test_activations_at_the_cut_are_those_of_every_view(world, features, pixels):
    """Of the identity all images, of the other view those that train."""
    paths = Paths(world.root)
    cost, cut, places = read_json(features.cost), read_npy(features.cut), read_npy(features.places)
    assert (cost["cut"], cost["views"], cost["images"]) == ("block1_relu", 2, tiny_world.IMAGES)
    assert (cut.dtype, places.dtype, places.shape) == (np.float16, np.int32, (tiny_world.IMAGES, 2))
    assert sorted(places[places >= 0]) == list(range(len(cut)))  # each lies in one place, and nothing else is there
    trained = trained_somewhere(read_parquet(paths.target("defect").examples))
    for index, there in enumerate((np.ones_like(trained), trained)):
        assert np.array_equal(places[:, index] >= 0, there)
        expected = reference(paths, pixels, index, "mirror")[there]
        np.testing.assert_allclose(cut[places[there, index]], expected, rtol=1e-3, atol=1e-3)  # float16
    assert cost["in_all_views"] == trained.sum()


def test_with_few_labels_most_images_are_computed_in_the_identity_view_alone(few, pixels):
    paths = Paths(few.root)
    features, examples = paths.features("to-defect"), read_parquet(paths.target("defect").examples)
    cost, cut, places = read_json(features.cost), read_npy(features.cut), read_npy(features.places)
    trained = trained_somewhere(examples)
    assert 0 < trained.sum() < len(trained) / 2
    assert np.array_equal(places >= 0, trained[:, None] | (np.arange(8) == 0))
    assert len(cut) == len(examples) + 7 * trained.sum()
    trunk, top = split_at(keras.saving.load_model(paths.source("tiny").backbone), cost["cut"])
    counted = {"images": len(examples), "views": 8, "in_all_views": trained.sum()}
    assert {name: cost[name] for name in counted} == counted
    spent = len(examples) * (forward_flops(trunk) + forward_flops(top)) + 7 * trained.sum() * forward_flops(trunk)
    assert cost["gflops"] == cost["forward_gflops"] == pytest.approx(spent / 1e9)
    for index in range(8):
        there = places[:, index] >= 0
        expected = reference(paths, pixels, index, "dihedral")[there]
        np.testing.assert_allclose(cut[places[there, index]], expected, rtol=1e-3, atol=1e-3)
    never = np.flatnonzero(~trained)[:1]
    load = activation_loader(features.cut, features.places)
    assert len(load(never, np.array([0]))) == 1
    with pytest.raises(RuntimeError, match=r"1 activations are not in the cache"):
        load(never, np.array([7]))


def test_a_fold_of_the_compact_cache_is_that_of_one_with_all_views_of_all_images(few, tmp_path):
    """Its key too: what it does not read does not count."""
    paths, params = Paths(few.root), load_params(Paths(few.root).params)
    tiny_world.run_cells(few.root, "head", only="to-defect")
    spec = tune.tune_specs(params, paths, "to-defect")[3]
    full = full_cache(paths, spec.network.cut, tmp_path)
    of_full = replace(spec, inputs=full.cut, places=full.places)
    assert len(read_npy(full.cut)) > 2 * len(read_npy(spec.inputs))
    assert keys([spec]) == keys([of_full])
    compact, whole = train_fold(spec), train_fold(of_full)
    for table in ("predictions", "trajectory", "history"):
        assert getattr(compact, table).equals(getattr(whole, table))
    weights = zip(compact.model.get_weights(), whole.model.get_weights(), strict=True)
    assert all(np.array_equal(own, other) for own, other in weights)


def full_cache(paths, cut, folder):
    """Every image of the target in all eight views."""
    rows = read_parquet(paths.target("defect").examples)["row"].to_numpy()
    backbone = keras.saving.load_model(paths.source("tiny").backbone)
    load, wanted = images_loader(paths.dataset("toy").images, rows, "dihedral"), np.ones((len(rows), 8), bool)
    extract.write_features(backbone, cut, load, wanted, FeaturePaths(folder), "full")
    return FeaturePaths(folder)


def test_what_a_fold_reads_counts_and_what_is_missing_of_it_stops_before_training(few, tmp_path):
    paths, params = Paths(few.root), load_params(Paths(few.root).params)
    examples, specs = read_parquet(paths.target("defect").examples), tune.tune_specs(params, paths, "to-defect")
    cut, places = np.array(read_npy(specs[0].inputs)), np.array(read_npy(specs[0].places))
    other = FeaturePaths(tmp_path)
    moved = [replace(spec, inputs=other.cut, places=other.places) for spec in specs]
    read = {fold: np.flatnonzero(examples[role_column(fold)] == "train") for fold in range(len(specs))}
    changed = places[np.setdiff1d(read[1], np.concatenate([read[0], read[2], read[3]]))[0], 5]
    np.save(other.cut, np.where(np.arange(len(cut))[:, None, None, None] == changed, 1, cut).astype(cut.dtype))
    np.save(other.places, places)
    assert [own == new for own, new in zip(keys(specs), keys(moved), strict=True)] == [True, False, True, True]
    places[read[2][0], 1:] = -1
    np.save(other.places, places)
    with pytest.raises(RuntimeError, match="not in the cache"):
        keys(moved)
    with pytest.raises(RuntimeError, match="not in the cache"):
        train_fold(replace(moved[2], plan=replace(moved[2].plan, epochs=20, patience=20)))


@pytest.mark.parametrize("views", [0, 1, 8])
def test_the_identity_is_wanted_of_all_images_and_other_views_of_those_that_train(few, views):
    examples = read_parquet(Paths(few.root).target("defect").examples)
    wanted = extract.wanted_views(examples, views)
    assert wanted.shape == (tiny_world.IMAGES, views)
    for index, column in enumerate(wanted.T):
        assert np.array_equal(column, trained_somewhere(examples) | (index == 0))


def test_training_from_the_cut_is_training_the_whole_network(world, features, pixels):
    paths = Paths(world.root)
    backbone, head = paths.source("tiny").backbone, paths.trained("heads", "to-defect").arm("head").model(0)
    network = TunedNetwork(backbone, head, "block1_relu", tiny_world.SIZE, "frozen")
    trained, whole, _ = network.build(dropout=0.0, l2=0.0, seed=1)
    there = np.flatnonzero(trained_somewhere(read_parquet(paths.target("defect").examples)))
    activations = read_npy(features.cut)[found_at(read_npy(features.places), there, 1)]
    cached = trained.predict(activations.astype("float32"), verbose=0)
    seen = view(pixels[there], "mirror", 1).astype("float32")
    np.testing.assert_allclose(cached, whole.predict(seen, verbose=0), atol=2e-3)
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


def test_features_are_kept_and_are_to_the_byte_what_computing_them_gives(world_copy, monkeypatch):
    copy, calls, write_features = world_copy(), [], extract.write_features
    monkeypatch.setattr(extract, "write_features", lambda *given: calls.append(given) or write_features(*given))
    paths = Paths(copy.root)
    before = digests(paths.features("to-defect").folder)
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert calls == [] and digests(paths.features("to-defect").folder) == before
    shutil.rmtree(paths.store)
    with joblib.parallel_config(n_jobs=2):
        tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert len(calls) == 1 and digests(paths.features("to-defect").folder) == before
    copy.raw["run"]["augmentation"] = "none"
    tiny_world.write_params(copy.root, copy.raw)
    tiny_world.run_cell(copy.root, "extract", "to-defect")
    assert len(calls) == 2 and digests(paths.features("to-defect").folder) != before


def test_folds_of_one_repeat_keep_their_trainings_when_there_are_more(world_copy):
    """More repeats cache more activations; the keys of folds that were trained before stay."""
    copy = world_copy(run={"repeats": 1})
    paths = Paths(copy.root)
    of_two = keys(tune.tune_specs(load_params(paths.params), paths, "to-defect"))
    assert len(of_two) == 4
    for stage, name in (("split", "defect"), ("extract", "to-defect")):
        tiny_world.run_cell(copy.root, stage, name)
    assert keys(tune.tune_specs(load_params(paths.params), paths, "to-defect")) == of_two[:2]


def test_an_interrupted_extraction_leaves_neither_features_nor_an_entry(world_copy, monkeypatch):
    copy = world_copy()
    paths = Paths(copy.root)
    shutil.rmtree(paths.store)
    before = digests(paths.features("to-defect").folder)

    def cut_short(backbone, cut, load, wanted, files, label):
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
