"""pretrain: what a source made here consists of, what it says it has seen, and what is refused."""

import keras
import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.config.schema import Pretrained
from pipeline.pretraining.representation import Representation
from pipeline.pretraining.task import PretrainResult
from pipeline.registry.pretraining import PRETRAINING
from pipeline.stages import pretrain
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, sha256_file
from pipeline.store.paths import Paths

FILES = {"backbone.keras", "card.json", "seen.parquet", "examples.parquet", "images.json", "history.csv", "sha256.json"}
CARD = {
    *(
        "architecture",
        "architecture_sha256",
        "weights",
        "pretrain",
        "init",
        "dataset",
        "labels_used",
        "permuted",
        "images",
        "seen_sha256",
    ),
    *("parameters", "image_size", "origin", "licence", "sha256", "preprocessing", "citation", "representation", "cost"),
    *("pretext", "labels_inherited"),
}
PRETRAINED = {
    "by-kind": {"pretrain": "supervised", "init": "random", "dataset": "toy", "label": "kind", "pool": "source"},
    "views": {"pretrain": "simclr", "init": "by-kind", "dataset": "toy", "where": {"kind": "round"}},
    "again": {"pretrain": "simclr", "init": "by-kind", "dataset": "toy", "where": {"kind": "round"}},
    "permuted": {"pretrain": "supervised", "init": "random", "dataset": "toy", "label": "kind", "permute_labels": True},
}


def manifest() -> pd.DataFrame:
    """48 images in units of two; every other unit is of the pool `source`."""
    table = tiny_world.manifest()
    unit = np.arange(len(table)) // 2
    return table.assign(
        unit=[f"u{number}" for number in unit],
        pool=np.where(unit // 2 % 2, "target", "source"),
        phash=[f"{number:016x}" for number in range(len(table))],
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A world of two sources made here, the second on from the first."""
    root = tmp_path_factory.mktemp("pretrain")
    raw = tiny_world.make(root)
    tiny_world.write_dataset(Paths(root).dataset("toy").folder, manifest())
    raw["datasets"]["toy"]["pools"] = {"source": 0.5, "target": 0.5}
    raw["sources"]["random"] = {"architecture": raw["sources"]["tiny"]["architecture"], "weights": "random"}
    raw["sources"]["random"]["sha256"] = raw["sources"]["tiny"]["sha256"]
    raw["pretrained"] |= PRETRAINED
    tiny_world.write_params(root, raw)
    tiny_world.run_cell(root, "source", "random")
    for name in ("by-kind", "views"):
        tiny_world.run_cell(root, "pretrain", name)
    return root


@pytest.mark.parametrize("name", ["by-kind", "views"])
@pytest.mark.slow
def test_the_folder_is_whole_and_its_card_complete(root, name):
    source = Paths(root).source(name)
    check_sealed(source.folder)
    card, examples = read_json(source.card), read_parquet(source.examples)
    supervised = name == "by-kind"
    assert {file.name for file in source.folder.iterdir()} == FILES | ({"head.keras"} if supervised else set())
    assert set(card) == CARD
    assert (card["weights"], card["sha256"], card["images"]) == ("pretrained", None, len(examples))
    assert card["labels_used"] == ("kind" if supervised else None)
    assert list(examples)[:5] == ["row", "image_id", "unit", "phash", "role"] and ("label" in examples) == supervised
    assert read_json(source.images) == {
        "dataset": "toy",
        "sha256": sha256_file(Paths(root).dataset("toy").images),
    }


def test_only_the_pool_is_learnt_from_and_units_stay_whole(root):
    examples, table = read_parquet(Paths(root).source("by-kind").examples), manifest()
    assert sorted(examples["image_id"]) == sorted(table["image_id"][table["pool"] == "source"])
    assert set(examples["role"]) == {"train", "validation"}
    assert (examples.groupby("unit")["role"].nunique() == 1).all()
    expected = table.set_index("image_id").loc[examples["image_id"], "kind"]
    assert examples["label"].tolist() == expected.tolist()


def test_what_was_seen_and_what_it_cost_are_inherited(root):
    first, second = (Paths(root).source(name) for name in ("by-kind", "views"))
    table, seen = manifest(), read_parquet(second.seen)
    expected = table["image_id"][(table["pool"] == "source") | (table["kind"] == "round")]
    assert sorted(seen["image_id"]) == sorted(expected) and set(seen["dataset"]) == {"toy"}
    assert len(read_parquet(first.seen)) == 24
    costs = [read_json(source.card)["cost"] for source in (first, second)]
    assert costs[0]["inherited_gflops"] == 0 and costs[1]["inherited_gflops"] == costs[0]["gflops"] > 0
    cards = [read_json(source.card) for source in (first, second)]
    assert [card["labels_inherited"] for card in cards] == [[], ["toy.kind"]]  # the second itself learnt without labels
    for cost in costs:  # all of the network learns: nearly twice forward, less what is only validated
        assert cost["forward_gflops"] + cost["backward_gflops"] == pytest.approx(cost["gflops"], rel=1e-12)
        assert 0.9 < cost["backward_gflops"] / cost["forward_gflops"] < 2
    history = pd.read_csv(second.history)
    assert history["images_seen"].iloc[-1] == costs[1]["images_seen"] == 2 * 2 * 24  # epochs, views, images


def test_the_head_gives_probabilities_and_the_backbone_moved_on(root):
    paths = Paths(root)
    random, first, second = (
        keras.saving.load_model(paths.source(name).backbone) for name in ("random", "by-kind", "views")
    )
    pixels = np.repeat(read_npy(paths.dataset("toy").images)[:4], 3, axis=-1).astype("float32")
    features = [model.predict_on_batch(pixels).mean(axis=(1, 2)) for model in (random, first, second)]
    assert not np.allclose(features[0], features[1]) and not np.allclose(features[1], features[2])
    probs = keras.saving.load_model(paths.source("by-kind").head).predict_on_batch(features[1])
    assert probs.shape == (4, 2)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)


def test_the_same_entry_under_the_same_name_gives_the_same_bytes(root):
    source = Paths(root).source("views")
    before = read_json(source.folder / "sha256.json")
    tiny_world.run_cell(root, "pretrain", "views")
    assert read_json(source.folder / "sha256.json") == before


def collapse(task):
    layer = task.backbone.get_layer("block2_conv")
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    return PretrainResult([{"epoch": 1, "images_seen": 1, "gflops": 1.0, "backward_gflops": 0.5, "loss": 0.0}])


def test_a_collapsed_backbone_is_refused_and_nothing_is_written(root, monkeypatch):
    broken = PRETRAINING["simclr"]._replace(learn=f"{__name__}:collapse")
    monkeypatch.setitem(PRETRAINING, "simclr", broken)
    with pytest.raises(InputError, match=r"'again' collapsed.*effective rank 0 "):
        tiny_world.run_cell(root, "pretrain", "again")
    assert not Paths(root).source("again").folder.exists()


def entry(name: str, **changes: object) -> Pretrained:
    return Pretrained(**PRETRAINED[name] | changes)


def test_a_backbone_is_for_images_of_the_dataset_s_size(root, tmp_path):
    paths = Paths(root)
    dataset = Paths(tmp_path).dataset("toy")
    dataset.folder.mkdir(parents=True)
    np.save(dataset.images, np.zeros((2, 40, 40, 1), "uint8"))
    own = pretrain.load_init(paths.source("random"), Paths(root).dataset("toy"), "float32", 0)
    resized = pretrain.load_init(paths.source("random"), dataset, "float32", 0)
    assert (own.input_shape[1:3], resized.input_shape[1:3]) == ((32, 32), (40, 40))
    assert all(np.array_equal(a, b) for a, b in zip(own.get_weights(), resized.get_weights(), strict=True))


def test_labels_of_all_links_are_inherited_and_published_weights_have_none():
    links = [{"dataset": "toy", "labels_used": "kind", "labels_inherited": []}]
    known = dict.fromkeys(
        ("architecture", "architecture_sha256", "parameters", "image_size", "origin", "licence", "preprocessing")
    )
    seen = pd.DataFrame({"image_id": []})
    for label in ("defect", None, "shape"):
        step = entry("by-kind", label=label) if label else entry("views")
        links.append(pretrain.describe(step, known | links[-1], {"image_size": 32}, seen, 1))
    found = [link["labels_inherited"] for link in links[1:]]
    assert found == [["toy.kind"], ["toy.kind", "toy.defect"], ["toy.kind", "toy.defect"]]
    published = pretrain.describe(entry("by-kind"), known | {"weights": "imagenet"}, {"image_size": 32}, seen, 1)
    assert published["labels_inherited"] == []


def test_what_began_with_weights_of_unknown_cost_says_so_and_counts_what_was_paid_here():
    learnt = PretrainResult([{"epoch": 1, "images_seen": 4, "gflops": 2.0, "backward_gflops": 1.25, "loss": 0.0}])
    found = Representation(2.0, 0.1)
    published = {"images_seen": None, "gflops": None, "inherited_gflops": 0.0, "reason": "not published"}
    first = pretrain.outcome(learnt, found, published)["cost"]
    assert (first["gflops"], first["inherited_gflops"], first["reason"]) == (2.0, 0.0, "not published")
    assert (first["forward_gflops"], first["backward_gflops"]) == (0.75, 1.25)
    second = pretrain.outcome(learnt, found, first)["cost"]
    assert (second["inherited_gflops"], second["reason"]) == (2.0, "not published")
