"""adapt: three arms on the same test images, and no label of the target in two of them."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tiny_world

from pipeline.store.errors import InputError
from pipeline.store.files import (
    check_sealed,
    read_json,
    read_parquet,
    replacing_folder,
    seal,
    sha256_file,
    write_json,
    write_npy,
    write_parquet,
)
from pipeline.store.outs import DatasetPaths, SourcePaths
from pipeline.store.paths import Paths

SOURCE, NAME = "dark", "dark-to-defect"


def write_source(root, table):
    """A source that learnt `defect` on darker images: what `pretrain` leaves, its head fitted to its own features."""
    from pipeline.adaptation.linear import fit_linear
    from pipeline.adaptation.problem import Labelled
    from pipeline.networks.heads import build_head
    from pipeline.networks.saving import load_model, save_model
    from pipeline.training.batches import pixel_loader
    from pipeline.training.pooled import pooled_features, pooling

    paths = Paths(root)
    with replacing_folder(paths.dataset(SOURCE).folder) as folder:
        write_npy(DatasetPaths(folder).images, tiny_world.pixels(table, seed=5) // 2)
    images = paths.dataset(SOURCE).images
    backbone = load_model(root / "backbone.keras")
    features = pooled_features(
        pooling(backbone), pixel_loader(images, table["row"].to_numpy(), "none"), np.arange(len(table))
    )
    own = Labelled(features, (table["defect"] == tiny_world.GOOD).to_numpy().astype(int), np.ones(len(table)))
    fitted = fit_linear(own, own)
    kernel = fitted.model.coef_[0] / fitted.spread
    head = build_head(features.shape[1], 2, 0.0, 0.0)
    bias = fitted.model.intercept_[0] - fitted.mean @ kernel
    head.set_weights([np.stack([0 * kernel, kernel], 1), np.array([0, bias])])
    examples = table[["row", "image_id", "unit", "phash"]].assign(
        role=np.where(table["row"] % 8 < 6, "train", "validation"), label=table["defect"]
    )
    with replacing_folder(paths.source(SOURCE).folder) as folder:
        files = SourcePaths(folder)
        save_model(backbone, files.backbone)
        save_model(head, files.head)
        write_parquet(files.examples, examples)
        write_parquet(files.seen, examples[["image_id", "unit", "phash"]].assign(dataset=SOURCE))
        write_json(files.images, {"dataset": SOURCE, "sha256": sha256_file(images)})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("adapt")
    raw = tiny_world.make(root)
    raw["datasets"][SOURCE] = raw["datasets"]["toy"]
    raw["pretrained"] = {SOURCE: {"pretrain": "supervised", "init": "tiny", "dataset": SOURCE, "label": "defect"}}
    raw["adaptations"] = {NAME: {"source": SOURCE, "target": "defect"}}
    del raw["questions"]["round-to-square"]
    raw["questions"][NAME] = {"target": "defect", "arm": f"adaptations/{NAME}", "against": f"unadapted/{NAME}"}
    raw["adapt"] |= {"methods": ["adabn", "coral", "mmd"]}
    tiny_world.write_params(root, raw)
    for target in ("defect", "kind"):
        tiny_world.run_cell(root, "split", target)
    table = tiny_world.manifest(seed=9)
    write_source(root, table.assign(image_id="old" + table["image_id"], phash=[f"{row:016x}" for row in table["row"]]))
    tiny_world.run_cell(root, "adapt", NAME)
    return root


def predictions(root, arm):
    kind = "unadapted" if arm == "source_only" else "adaptations"
    return read_parquet(Paths(root).trained(kind, NAME).arm(arm).predictions)


ARMS = ["source_only", "adapted", "target_supervised"]


@pytest.mark.parametrize("arm", ARMS)
def test_every_image_is_predicted_once_in_its_fold_of_each_repeat(root, arm):
    table = predictions(root, arm)
    classes = [f"p_{name}" for name in sorted({tiny_world.BAD, tiny_world.GOOD})]
    assert list(table) == ["row", "image_id", "fold", "label", *classes]
    pd.testing.assert_frame_equal(
        table[["row", "image_id", "fold", "label"]], tiny_world.tests_of(Paths(root).target("defect").examples)
    )
    np.testing.assert_allclose(table[classes].sum(axis=1), 1, atol=1e-6)


def test_candidates_and_cost_agree(root):
    files = Paths(root).trained("adaptations", NAME)
    check_sealed(files.folder)
    candidates, cost = pd.read_csv(files.candidates), read_json(files.arm("adapted").cost)
    columns = ["fold", "method", "strength", "criterion", "chosen", "accuracy", "balanced_accuracy"]
    assert list(candidates) == columns
    assert candidates["method"].tolist() == ["source_only", "adabn", "coral", "mmd"] * 4
    assert candidates["strength"].notna().tolist() == [False, False, False, True] * 4
    for fold, rows in candidates.groupby("fold"):
        best = rows.loc[rows["criterion"].idxmax()]
        assert best["chosen"] and rows["chosen"].sum() == 1
        assert cost["folds"][fold]["method"] == best["method"]
        for arm, row in (("source_only", rows.iloc[0]), ("adapted", best)):
            table = predictions(root, arm).query("fold == @fold")
            answers = table[[f"p_{label}" for label in sorted(table["label"].unique())]].to_numpy().argmax(1)
            right = pd.Series(answers == pd.Categorical(table["label"]).codes, table.index)
            assert row["accuracy"] == pytest.approx(right.mean())
            assert row["balanced_accuracy"] == pytest.approx(right.groupby(table["label"]).mean().mean())
    assert cost["images"] == 2 * 2 * tiny_world.IMAGES  # of source and target, once a repeat
    assert cost["gflops"] > sum(fold["gflops"] for fold in cost["folds"]) > 0
    assert cost["backward_gflops"] == sum(fold["backward_gflops"] for fold in cost["folds"])
    for fold in cost["folds"]:  # mmd trains; adabn and coral, which are in gflops too, do not
        assert 0 < fold["backward_gflops"] < fold["gflops"]


def test_the_targets_labels_reach_the_ceiling_and_nothing_else(root):
    """Train, validation and test labels permuted: same adapted answers and choices, another ceiling."""
    before = {arm: predictions(root, arm) for arm in ARMS}
    choice = ["fold", "method", "strength", "criterion", "chosen"]
    candidates = pd.read_csv(Paths(root).trained("adaptations", NAME).candidates)[choice]
    target = Paths(root).target("defect")
    examples = read_parquet(target.examples)
    permuted = examples.assign(label=np.random.default_rng(0).permutation(examples["label"]))
    try:
        write_parquet(target.examples, permuted)
        seal(target.folder)
        tiny_world.run_cell(root, "adapt", NAME)
        after = {arm: predictions(root, arm) for arm in ARMS}
        pd.testing.assert_frame_equal(
            pd.read_csv(Paths(root).trained("adaptations", NAME).candidates)[choice], candidates
        )
    finally:
        write_parquet(target.examples, examples)
        seal(target.folder)
    for arm in ARMS:
        same = before[arm].drop(columns="label").equals(after[arm].drop(columns="label"))
        assert same == (arm != "target_supervised")


@pytest.mark.slow
def test_a_second_run_leaves_the_same_bytes(root):
    """Also back from permuted labels, and whether its folds are in the store or not."""
    digests = []
    for again in range(3):
        if again == 2:
            shutil.rmtree(Paths(root).store)
        tiny_world.run_cell(root, "adapt", NAME)
        folders = (Paths(root).trained(kind, NAME).folder for kind in ("adaptations", "unadapted"))
        files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
        digests.append({file.relative_to(root): sha256_file(file) for file in files})
    assert digests[0] == digests[1] == digests[2]


def test_a_fold_in_the_store_is_not_adapted_again_and_counts_only_while_nothing_has_changed(root, monkeypatch):
    from pipeline.config.loading import load_params
    from pipeline.stages import adapt

    paths, params = Paths(root), load_params(Paths(root).params)
    examples, entry = read_parquet(paths.target("defect").examples), params.adaptations[NAME]
    seeds = list(range(4))

    def keys(params=params, examples=examples, seeds=seeds):
        return adapt.fold_keys(paths, entry, params, examples, seeds)

    known = keys()
    assert keys() == known and len(set(known)) == 4
    more = examples.assign(role_4=examples["role_0"], role_5=examples["role_1"])
    assert keys(examples=more, seeds=[*seeds, 4, 5])[:4] == known  # as when run.repeats is raised
    other = examples.assign(role_1=examples["role_0"])
    assert [one == two for one, two in zip(keys(examples=other), known, strict=True)] == [True, False, True, True]
    assert [one == two for one, two in zip(keys(seeds=[0, 9, 2, 3]), known, strict=True)] == [True, False, True, True]
    settings = params.adapt.model_copy(update={"bottleneck": params.adapt.bottleneck + 1})
    assert not set(keys(params=params.model_copy(update={"adapt": settings}))) & set(known)

    tiny_world.run_cell(root, "adapt", NAME)
    folds, choose = [], adapt.choose
    monkeypatch.setattr(
        adapt, "choose", lambda source, given, *rest: folds.append(len(given)) or choose(source, given, *rest)
    )
    tiny_world.run_cell(root, "adapt", NAME)
    assert folds == [0]


def test_test_images_change_nothing_but_their_own_answers(root):
    """What is chosen for a fold does not move when its test images do."""
    from pipeline.adaptation.choice import choose
    from pipeline.config.loading import load_params
    from pipeline.stages import adapt
    from pipeline.training.batches import pixel_loader

    paths, params = Paths(root), load_params(Paths(root).params)
    source = adapt.read_source(paths, SOURCE, "balanced")
    examples = read_parquet(paths.target("defect").examples)
    load, places = pixel_loader(paths.dataset("toy").images, examples["row"].to_numpy(), "none"), np.arange(48)
    features = adapt.pooled_features(source.network, load, places)
    parts = adapt.unlabelled_parts(adapt.Images(features, load, places), examples["role_0"])
    roles = [set(part.positions) for part in (parts.train, parts.validation, parts.test)]
    assert set.union(*roles) == set(places) and sum(map(len, roles)) == 48
    other = adapt.Parts(parts.train, parts.validation, parts.train)
    one, two = (choose(source, [fold], params.adapt, lambda fold, method: 3)[0] for fold in (parts, other))
    pd.testing.assert_frame_equal(one.candidates, two.candidates)
    assert one.adapted.shape != two.adapted.shape


def test_a_limit_of_labels_does_not_choose_what_is_adapted_to(root):
    """All images of the training folds but validation, also those without a label; the ceiling has those with one."""
    from unittest import mock

    from pipeline.adaptation.problem import Images
    from pipeline.config.loading import load_params
    from pipeline.stages import adapt, split

    paths, params = Paths(root), load_params(Paths(root).params)
    limited = params.targets["defect"].model_copy(update={"labels_per_class": 5})
    examples = split.split(read_parquet(paths.dataset("toy").manifest), limited, params, "defect")
    roles, places = examples["role_0"], np.arange(len(examples))
    parts = adapt.unlabelled_parts(Images(np.zeros((len(roles), 2)), None, places), roles)
    assert (roles == "unused").sum() > 0 and (roles[parts.train.positions] == "unused").any()
    assert set(parts.train.positions) == set(places[roles.isin(["train", "unused"])])
    assert set(parts.validation.positions) == set(places[roles == "validation"])
    features = np.random.default_rng(0).normal(size=(len(roles), 2)).astype("float32")
    with mock.patch.object(adapt, "fit_linear", wraps=adapt.fit_linear) as fitted:
        adapt.ceiling(features, examples, 0, "balanced")
    given = np.concatenate([part.features for part in fitted.call_args.args])
    np.testing.assert_array_equal(given, features[[*places[roles == "train"], *places[roles == "validation"]]])


def test_every_candidate_of_every_fold_is_counted_twice(root):
    from pipeline.adaptation.choice import choose, count_candidates
    from pipeline.config.loading import load_params
    from pipeline.stages import adapt

    params, steps = load_params(Paths(root).params), []
    settings = params.adapt.model_copy(update={"methods": ["coral", "mmd"], "strength": [0.5, 1.0], "epochs": 1})
    source = adapt.read_source(Paths(root), SOURCE, "balanced")
    images = adapt.Images(np.random.default_rng(0).normal(size=(40, 12)).astype("float32"), None, np.arange(40))
    fold = adapt.Parts(*(images.part(np.arange(*ends)) for ends in ((0, 20), (20, 30), (30, 40))))
    choose(source, [fold, fold], settings, lambda fold, method: 3, lambda: steps.append(1))
    assert count_candidates(settings) == 4 and len(steps) == 2 * 2 * 4


def test_other_classes_are_refused(root):
    from pipeline.stages.adapt import check_source

    with pytest.raises(InputError, match=r"knows the classes .*target 'kind' has round, square"):
        check_source(Paths(root), SOURCE, "kind")


def test_a_source_without_a_head_or_with_the_targets_images_is_refused(root):
    from pipeline.stages.adapt import check_source

    files = Paths(root).source(SOURCE)
    kept = {path: path.read_bytes() for path in files.folder.iterdir()}
    examples = read_parquet(Paths(root).target("defect").examples)
    try:
        write_parquet(files.seen, read_parquet(files.seen).assign(image_id=examples["image_id"]))
        seal(files.folder)
        with pytest.raises(InputError, match="48 of its 48 images"):
            check_source(Paths(root), SOURCE, "defect")
        files.head.unlink()
        seal(files.folder)
        with pytest.raises(InputError, match="has no head of its own"):
            check_source(Paths(root), SOURCE, "defect")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_other_images_than_those_learnt_from_are_refused(root):
    from pipeline.stages.adapt import source_images

    images = Paths(root).dataset(SOURCE).images
    content = images.read_bytes()
    try:
        images.write_bytes(content[:-1] + b"x")
        with pytest.raises(InputError, match="is not the file that source 'dark' learnt from"):
            source_images(Paths(root), SOURCE)
    finally:
        images.write_bytes(content)
