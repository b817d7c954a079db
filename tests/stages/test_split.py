"""Folds: every image tested once in each repeat, nothing that belongs together divided, classes spread evenly, refusals
in words.
"""

import numpy as np
import pandas as pd
import pytest
import tiny_world
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.config.loading import check_params
from pipeline.config.schema import Target
from pipeline.datasets.grouping import units
from pipeline.stages import split as stage
from pipeline.stages.split import limited
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_parquet, sha256_file, write_json, write_parquet
from pipeline.store.outs import SplitPaths
from pipeline.store.paths import Paths
from pipeline.store.roles import examples_of, fold_count, repeat_count

yaml = YAML(typ="safe", pure=True)
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


def params(**run):
    raw = {**tiny_world.RAW, "run": tiny_world.RAW["run"] | run}
    raw["sources"] = {"tiny": {"architecture": "VGG16", "weights": "imagenet"}}
    raw["baselines"] = {
        name: {**entry, "architecture": "VGG16", "sha256": None} for name, entry in raw["baselines"].items()
    }
    return check_params(raw)


TARGET = Target(dataset="toy", label="defect")


def split(table, target, params, name):
    """The stage's split of a table whose groups and clusters a test has changed."""
    return stage.split(table.assign(unit=units(table["group"], table["cluster"])), target, params, name)


def fold_of(examples, repeat=0, folds=2):
    """The fold of a repeat in which each image is tested, counted from 0 in every repeat."""
    columns = [f"role_{repeat * folds + part}" for part in range(folds)]
    return pd.Series((examples[columns] == "test").to_numpy().argmax(1), name="fold")


def role_columns(examples):
    return [name for name in examples if name.startswith("role_")]


def select(table, target):
    return stage.examples_of(table, target, "defect")


@st.composite
def manifests(draw):
    """60 to 90 images: groups of one to four, some near-duplicates (also across groups), two or three classes."""
    count = draw(st.integers(60, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = tiny_world.manifest(count)
    table["group"] = np.char.add("g", np.repeat(np.arange(count), rng.integers(1, 5, count))[:count].astype(str))
    twin = rng.integers(0, count, count)
    close = rng.uniform(size=count) < draw(st.sampled_from([0.0, 0.05, 0.2]))
    table["cluster"] = np.where(close, np.minimum(twin, np.arange(count)), np.arange(count))
    table["defect"] = rng.choice(list("abc")[: draw(st.integers(2, 3))], count)
    return table


def tried(table, **run):
    """The split, or a rejected example where the generated groups are too few for their classes."""
    try:
        return split(table, TARGET, params(**run), "defect")
    except InputError:
        assume(False)


@few
@given(
    table=manifests(),
    protocol=st.sampled_from(["grouped", "random"]),
    folds=st.integers(2, 4),
    repeats=st.integers(1, 3),
)
def test_every_image_is_tested_once_in_each_repeat_and_has_one_role_a_fold(table, protocol, folds, repeats):
    examples = tried(table, protocol=protocol, folds=folds, repeats=repeats)
    assert examples["row"].tolist() == table["row"].tolist()
    assert role_columns(examples) == [f"role_{fold}" for fold in range(repeats * folds)]
    roles = examples[role_columns(examples)].to_numpy()
    assert set(roles.ravel()) == {"train", "validation", "test"}
    assert ((roles == "test").reshape(len(table), repeats, folds).sum(2) == 1).all()
    assert (fold_count(examples), repeat_count(examples)) == (repeats * folds, repeats)


@few
@given(table=manifests(), protocol=st.sampled_from(["grouped", "random"]))
def test_what_belongs_together_has_one_role(table, protocol):
    examples = tried(table, protocol=protocol)
    together = [table["cluster"]] + ([table["group"], examples["group"]] if protocol == "grouped" else [])
    for names in together:
        for column in role_columns(examples):
            assert (examples[column].groupby(names.to_numpy()).nunique() == 1).all()


@few
@given(table=manifests())
def test_every_part_of_every_fold_has_every_class(table):
    examples = tried(table)
    for column in role_columns(examples):
        counts = pd.crosstab(examples[column], examples["label"])
        assert counts.shape == (3, table["defect"].nunique()) and (counts > 0).all().all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.2, 0.8))
@pytest.mark.slow
def test_classes_are_spread_evenly_where_groups_allow(seed, share):
    table = tiny_world.manifest(200)
    table["group"] = table["image_id"]
    table["defect"] = np.where(np.random.default_rng(seed).permutation(200) < 200 * share, "a", "b")
    examples = split(table, TARGET, params(folds=4, seed=seed), "defect")
    for repeat in range(2):
        counts = pd.crosstab(fold_of(examples, repeat, folds=4), examples["label"])
        assert (counts.max() - counts.min() <= 1).all()
    for fold in range(8):
        training = examples[examples[f"role_{fold}"] != "test"]
        validation = pd.crosstab(training[f"role_{fold}"], training["label"]).loc["validation"]
        assert (abs(validation - 0.25 * training["label"].value_counts()) <= 1).all()


def test_a_split_repeats_and_another_seed_gives_another():
    table = tiny_world.manifest()
    first, again, other = (split(table, TARGET, params(seed=seed), "defect") for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not fold_of(first).equals(fold_of(other))


# ---- repeats ---------------------------------------------------------------------------------------------------------


def test_a_repeat_is_another_division_and_more_of_them_leave_the_earlier_as_they_are():
    table = tiny_world.manifest()
    one, two, three = (split(table, TARGET, params(repeats=repeats), "defect") for repeats in (1, 2, 3))
    pd.testing.assert_frame_equal(one, two[list(one)])
    pd.testing.assert_frame_equal(two, three[list(two)])
    first, second, third = (fold_of(three, repeat) for repeat in range(3))
    for one, other in ((first, second), (first, third), (second, third)):
        assert not one.equals(other) and not one.equals(1 - other)


# repeats that two questions ask for (to-defect: the transfer against defect-tiny; defect-null: defect-again against
# the same), where the run has 2 -> the repeats of each arm
ASKED = {
    (None, None): {"baselines/defect-tiny": 2, "baselines/defect-again": 2, "transfers/to-defect": 2},
    (1, 1): {"baselines/defect-tiny": 1, "baselines/defect-again": 1, "transfers/to-defect": 1},
    (None, 1): {"baselines/defect-tiny": 2, "baselines/defect-again": 1, "transfers/to-defect": 2},
    (1, 4): {"baselines/defect-tiny": 4, "baselines/defect-again": 4, "transfers/to-defect": 1},
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_arm_is_trained_as_often_as_any_question_about_it_asks(asked, tmp_path):
    raw = params().model_dump(mode="json", exclude_none=True)
    for name, count in zip(("to-defect", "defect-null"), asked, strict=True):
        raw["questions"][name]["repeats"] = count
    raw["questions"]["to-kind"]["repeats"] = 5
    found = stage.repeats_of(check_params(raw), "defect")
    assert found == ASKED[asked]
    target = SplitPaths(tmp_path)
    write_parquet(target.examples, split(tiny_world.manifest(), TARGET, check_params(raw), "defect"))
    write_json(target.repeats, found)
    whole = read_parquet(target.examples)
    assert repeat_count(whole) == max(found.values())
    for arm, repeats in found.items():
        own = examples_of(target, arm)
        assert (repeat_count(own), fold_count(own)) == (repeats, repeats * params().run.folds)
        pd.testing.assert_frame_equal(own, whole[list(own)])
    assert repeat_count(examples_of(target, "transfers/unasked")) == 1


def test_a_target_that_no_question_is_about_is_divided_once():
    assert stage.repeats_of(params(), "unasked") == {}
    examples = split(tiny_world.manifest(), TARGET, params(), "unasked")
    assert repeat_count(examples) == 1


def test_the_line_of_the_stage_tells_the_repeats(tmp_path, capsys):
    tiny_world.make_without_keras(tmp_path)
    tiny_world.run_cell(tmp_path, "split", "defect")
    assert "2 grouped folds in 2 repeats" in capsys.readouterr().out
    assert "fold" not in read_parquet(Paths(tmp_path).target("defect").examples)


def test_a_split_does_not_depend_on_other_targets(tmp_path):
    frozen = []
    for number, extra in enumerate([{}, {"another": {"dataset": "toy", "label": "kind"}}]):
        root = tmp_path / str(number)
        tiny_world.write_dataset(Paths(root).dataset("toy").folder, tiny_world.manifest())
        raw = params().model_dump(mode="json", exclude_none=True)
        raw["targets"] = extra | raw["targets"]
        tiny_world.write_params(root, raw)
        tiny_world.run_cell(root, "split", "defect")
        folder = check_sealed(Paths(root).target("defect").folder)
        frozen.append({path.name: sha256_file(path) for path in folder.iterdir()})
        images = read_json(Paths(root).target("defect").images)
        digest = sha256_file(Paths(root).dataset("toy").images)
        assert images == {"dataset": "toy", "sha256": digest}
        assert len(read_parquet(Paths(root).target("defect").examples)) == tiny_world.IMAGES
    assert frozen[0] == frozen[1]


# ---- selection and refusals ------------------------------------------------------------------------------------------


def test_where_keeps_the_images_that_have_all_of_its_labels():
    table = tiny_world.manifest()
    where = {"kind": "round", "defect": tiny_world.BAD}
    chosen = select(table, Target(dataset="toy", label="defect", where=where))
    assert chosen["row"].tolist() == [row for row in range(48) if row % 4 == 3]


def test_weights_come_from_their_column():
    table = tiny_world.manifest()
    assert (select(table, TARGET)["weight"] == 1).all()
    weighed = select(table, Target(dataset="toy", label="defect", weight="sure"))
    assert weighed["weight"].tolist() == table["sure"].tolist()


def test_a_filter_that_leaves_nothing_is_refused():
    with pytest.raises(InputError, match="Change its `where` or `pool`"):
        select(tiny_world.manifest(), Target(dataset="toy", label="defect", where={"kind": "oval"}))


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.5, np.nan])
def test_a_weight_out_of_range_is_refused(weight):
    table = tiny_world.manifest()
    table.loc[3, "sure"] = weight
    with pytest.raises(InputError, match=r"'sure' must lie in \(0, 1\].*image id0003") as caught:
        select(table, Target(dataset="toy", label="defect", weight="sure"))
    assert str(weight) in str(caught.value)


def test_one_class_is_refused_with_its_count():
    with pytest.raises(InputError, match=r"At least two classes.*a: 48"):
        split(tiny_world.manifest().assign(defect="a"), TARGET, params(), "defect")


def test_a_class_smaller_than_the_folds_is_refused_with_the_counts():
    table = tiny_world.manifest().assign(defect=["a"] * 46 + ["b"] * 2)
    with pytest.raises(InputError, match=r"3 parts need at least 3 images.*a: 46, b: 2"):
        split(table, TARGET, params(folds=3), "defect")


def test_too_few_groups_are_refused():
    with pytest.raises(InputError, match="2 groups"):
        split(tiny_world.manifest().assign(group=["g", "h"] * 24), TARGET, params(folds=3), "defect")


def test_a_class_too_small_for_a_validation_part_is_refused_by_the_param_that_asks_for_it():
    table = tiny_world.manifest().assign(defect=["a"] * 44 + ["b"] * 4)
    with pytest.raises(InputError, match=r"validation_fraction"):
        split(table, TARGET, params(folds=2, validation_fraction=0.1), "defect")


def test_a_class_in_one_group_is_refused():
    table = tiny_world.manifest().assign(defect=["a"] * 40 + ["b"] * 8)
    table["group"] = np.where(table["defect"] == "b", "together", table["group"])
    with pytest.raises(InputError, match=r"no image of class (a|b)"):
        split(table, TARGET, params(), "defect")


def test_under_the_random_protocol_the_interval_still_knows_the_groups():
    table = tiny_world.manifest(40)
    table["group"] = [f"g{image // 10}" for image in range(40)]
    table["cluster"] = range(40)
    table["defect"] = ["a", "b"] * 20
    found = split(table, TARGET, params(protocol="random"), "defect")
    assert found["group"].nunique() == 4
    assert (fold_of(found).groupby(found["group"]).nunique() > 1).all()


# ---- advice ----------------------------------------------------------------------------------------------------------


def rare(counts, grouped=1):
    """A manifest with so many images of each class, in groups of at most `grouped` images of one class."""
    table = tiny_world.manifest(sum(counts))
    table["defect"] = np.repeat([f"class-{number}" for number in range(len(counts))], counts).astype(object)
    table["group"] = [f"{label}-{row // grouped}" for row, label in enumerate(table["defect"])]
    return table


def advised(message):
    """The changes that a message advises: lists of (run, target), each list to be made together."""
    _, _, alone = message.partition("Any one of these helps: ")
    _, _, together = message.partition("These two together help: ")
    words = (alone or together).partition(". So do")[0].rstrip(".").split("; ")
    found = [yaml.load(f"{{{word.partition(', if ')[0]}}}") for word in words if word]
    pairs = [
        {
            "run": {key.partition(".")[2]: value for key, value in change.items() if key.startswith("run.")},
            "target": {k: v for key, value in change.items() if key.startswith("targets.") for k, v in value.items()},
        }
        for change in found
    ]
    return [[pair] for pair in pairs] if alone else [pairs] if pairs else []


def follow(table, target, run, together):
    """The split after a list of changes."""
    for change in together:
        run = run | change["run"]
        target = target.model_copy(update=change["target"])
    return split(table, target, params(**run), "defect")


def test_rare_classes_at_the_shipped_settings_are_refused_with_what_helps():
    run = {"folds": 2, "repeats": 5, "validation_fraction": 0.2}
    table, target = rare((20, 20, 6)), TARGET.model_copy(update={"labels_per_class": 50})
    with pytest.raises(InputError) as caught:
        split(table, target, params(**run), "defect")
    text = str(caught.value)
    assert "Target 'defect': Fold 0" in text and "class-2: 3" in text
    for words in ("run.folds: 6", "train_fraction: 1.0, labels_per_class: null", "labels_per_class: 3"):
        assert words in text
    ways = advised(text)
    assert len(ways) >= 4
    for way in ways:
        assert follow(table, target, run, way)["label"].nunique() == 3


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(2, 25), min_size=2, max_size=4),
    grouped=st.integers(1, 4),
    folds=st.integers(2, 6),
    fraction=st.sampled_from([0.1, 0.2, 0.5]),
    limit=st.sampled_from([{}, {"labels_per_class": 5}, {"labels_per_class": 50}, {"train_fraction": 0.5}]),
    protocol=st.sampled_from(["grouped", "random"]),
)
@pytest.mark.slow
def test_whoever_follows_the_advice_gets_through(counts, grouped, folds, fraction, limit, protocol):
    run = {"folds": folds, "repeats": 1, "validation_fraction": fraction, "protocol": protocol}
    table, target = rare(counts, grouped), TARGET.model_copy(update=limit)
    try:
        split(table, target, params(**run), "defect")
    except InputError as error:
        ways = advised(str(error))
        assert ways or "No setting helps: class class-" in str(error)
        for way in ways:
            follow(table, target, run, way)


# ---- few labels ------------------------------------------------------------------------------------------------------


@few
@given(table=manifests(), limit=st.integers(2, 12), protocol=st.sampled_from(["grouped", "random"]))
@pytest.mark.slow
def test_few_labels_limit_training_and_leave_the_test_folds_whole(table, limit, protocol):
    whole = tried(table, protocol=protocol)
    try:
        target = TARGET.model_copy(update={"labels_per_class": limit})
        found = split(table, target, params(protocol=protocol), "defect")
    except InputError:
        assume(False)
    assert role_columns(found) == role_columns(whole)
    for fold in range(4):
        role = found[f"role_{fold}"]
        assert (role == "test").equals(whole[f"role_{fold}"] == "test")
        labelled = found[role.isin(["train", "validation"])]
        available = found[role != "test"]["label"].value_counts()
        assert labelled["label"].value_counts().sort_index().equals(available.clip(upper=limit).sort_index())
        counts = pd.crosstab(labelled[f"role_{fold}"], labelled["label"])
        assert counts.shape == (2, table["defect"].nunique()) and (counts > 0).all().all()


@given(limit=st.integers(1, 20), more=st.integers(0, 20), seed=st.integers(0, 99))
def test_a_larger_limit_keeps_what_a_smaller_one_chose(limit, more, seed):
    labels, training = np.array(list("ab") * 30), np.arange(10, 55)
    small, large = (limited(labels, training, count, seed) for count in (limit, limit + more))
    assert set(small) <= set(large) <= set(training)
    assert np.array_equal(limited(labels, training, None, seed), training)


def test_a_target_of_a_pool_has_its_images_only():
    table = tiny_world.manifest().assign(pool=["mine", "theirs"] * 24)
    found = split(table, TARGET.model_copy(update={"pool": "mine", "label": "kind"}), params(), "defect")
    assert found["row"].tolist() == list(range(0, 48, 2))


# ---- a share of the labels -------------------------------------------------------------------------------------------


def labelled(examples, fold):
    return set(examples["row"][examples[f"role_{fold}"].isin(["train", "validation"])])


@few
@given(table=manifests(), shares=st.lists(st.floats(0.15, 1), min_size=2, max_size=2))
@pytest.mark.slow
def test_a_share_limits_every_class_alike_and_a_larger_one_keeps_the_images_of_a_smaller(table, shares):
    found = []
    for share in sorted(shares):
        try:
            target = TARGET.model_copy(update={"train_fraction": share})
            found.append(split(table, target, params(), f"named-{share}"))
        except InputError:
            assume(False)
    small, large = found
    assert fold_of(small).equals(fold_of(large))  # although the targets' names differ
    for fold in range(2):
        assert labelled(small, fold) <= labelled(large, fold)
        assert (small[f"role_{fold}"] == "test").equals(large[f"role_{fold}"] == "test")
        for share, examples in zip(sorted(shares), found, strict=True):
            available = examples[examples[f"role_{fold}"] != "test"]["label"].value_counts()
            kept = examples[examples["row"].isin(labelled(examples, fold))]["label"].value_counts()
            expected = {name: max(2, round(share * count)) for name, count in available.items()}
            assert kept.to_dict() == expected
            counts = pd.crosstab(examples[f"role_{fold}"], examples["label"])
            assert (counts.loc[["train", "validation"]] > 0).all().all()


def test_all_of_the_labels_is_no_limit():
    examples = split(tiny_world.manifest(), TARGET.model_copy(update={"train_fraction": 1.0}), params(), "defect")
    assert not (examples[role_columns(examples)] == "unused").any().any()
