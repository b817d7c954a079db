"""params.yaml: every fault is reported, all of them in one message; a stage sees only the params that it tracks."""

import copy
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAML

from pipeline.config.loading import check_params, load_params
from pipeline.config.params import ENTRY_SECTIONS
from pipeline.store.errors import ParamsError
from pipeline.store.yaml import read_yaml


@pytest.fixture(scope="module")
def text(params_file) -> str:
    return params_file.read_text(encoding="utf-8")


@pytest.fixture
def raw(text) -> dict[str, Any]:
    return parse_yaml(text, "params.yaml")


def faults_of(raw: Any) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        check_params(raw)
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def faults_of_text(tmp_path, text: str) -> list[str]:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path / "params.yaml")
    return caught.value.faults


def text_of(raw: dict[str, Any]) -> str:
    file = io.StringIO()
    YAML().dump(raw, file)
    return file.getvalue()


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(raw: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            raw = raw[part]
        raw[last] = value

    return edit


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    def edit(raw: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for part in path:
            raw = raw[part]
        del raw[last]

    return edit


# name -> the edit that introduces the fault, and words that its message must contain
FAULTS: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "typo": (put("head.epoch", 3), ("head.epoch: unknown key", "did you mean 'epochs'?")),
    "typo in an entry": (put("datasets.panels.limitt", 3), ("datasets.panels.limitt", "did you mean 'limit'?")),
    "unknown key": (put("xyzzy", 3), ("xyzzy: unknown key", "allowed: run, datasets")),
    "missing key": (drop("run.seed"), ("run.seed: missing",)),
    "negative": (put("head.dropout", -0.5), ("head.dropout", "greater than or equal to 0", "-0.5")),
    "negative learning rate": (put("scratch.learning_rate", [-0.001]), ("scratch.learning_rate.0", "-0.001")),
    "nan": (put("head.weight_decay", float("nan")), ("head.weight_decay", "finite", "nan")),
    "infinite": (put("verdict.margin", float("inf")), ("verdict.margin", "finite", "inf")),
    "number as text": (put("tune.learning_rate", ["1e-3"]), ("tune.learning_rate.0", "valid number", "'1e-3'")),
    "bool as int": (put("run.folds", True), ("run.folds", "valid integer", "True")),
    "fraction as int": (put("scratch.epochs", 2.5), ("scratch.epochs", "2.5")),
    "no cluster": (put("run.cluster", "spark"), ("run.cluster: ", "ray|auto|", "spark")),
    "no blocks": (put("tune.unfreeze", -1), ("tune.unfreeze: ", "blocks from 0", "-1")),
    "empty list": (put("head.l2", []), ("head.l2", "at least 1")),
    "not one of the choices": (put("run.protocol", "group"), ("run.protocol", "'grouped' or 'random'", "'group'")),
    "too large": (put("run.image_size", 9999), ("run.image_size", "1024", "9999")),
    "name that escapes": (
        put("targets.a/b", {"dataset": "panels", "label": "type"}),
        ("targets.a/b", "letters, digits, _"),
    ),
    "name that no registry of models takes": (
        lambda raw: raw["transfers"].update({"trial_": raw["transfers"]["imagenet-to-defect"]}),
        ("transfers.trial_", "the first and last no _ or -"),
    ),
    "dangling dataset": (
        put("targets.second", {"dataset": "panls", "label": "type"}),
        ("targets.second.dataset", "mean 'panels'?"),
    ),
    "dangling source": (
        put("transfers.imagenet-to-defect.source", "nowhere"),
        ("'nowhere' in sources or pretrained", "imagenet"),
    ),
    "label not in the dataset": (
        put("targets.cell-defect.label", "defects"),
        ("targets.cell-defect.label", "'defect'"),
    ),
    "weight not in the dataset": (put("targets.cell-defect.weight", "sure"), ("targets.cell-defect.weight", "'sure'")),
    "where not in the dataset": (put("targets.cell-defect.where", {"kind": "poly"}), ("where.kind", "defect, type")),
    "unknown architecture": (put("sources.imagenet.architecture", "resnet"), ("sources.imagenet.architecture",)),
    "taken name": (
        lambda raw: raw["questions"].update(run=raw["questions"]["imagenet-to-defect"]),
        ("questions.run: this name is taken",),
    ),
    "unequal sweeps": (
        put("scratch.learning_rate", [1e-3] * 7),
        ("tune.learning_rate: 1 settings", "scratch.learning_rate has 7"),
    ),
    "more penalties than scratch has rates": (
        put("head.l2", [0.0, 1e-3, 1e-2]),
        ("head.learning_rate, head.l2: 1 x 3 = 3 settings", "scratch.learning_rate has 1"),
    ),
    "pools that are no whole": (
        put("datasets.panels.pools", {"a": 0.5, "b": 0.4}),
        ("datasets.panels.pools", "sum to 1"),
    ),
    "a group that the package lacks": (
        put("datasets.cells", {"reader": "elpv", "raw": "elpv.yaml", "labels": ["defect"], "group": "block"}),
        ("datasets.cells.group", "mean 'blocks'?"),
    ),
    "a group of a folder": (
        put("datasets.own", {"reader": "folder", "raw": "data/raw/own", "labels": ["label"], "group": "module"}),
        ("datasets.own.group: received 'module'", "allowed with reader folder: null"),
    ),
    "unknown pool": (put("pretrained.cell-type.pool", "sauce"), ("pretrained.cell-type.pool", "mean 'source'?")),
    "dangling init": (put("pretrained.cell-type.init", "rnadom"), ("'rnadom' in sources or pretrained", "'random'?")),
    "init in a circle": (
        lambda raw: raw["pretrained"].update(
            egg={**raw["pretrained"]["cell-type"], "init": "hen"}, hen={**raw["pretrained"]["cell-type"], "init": "egg"}
        ),
        ("pretrained.egg.init", "leads back to itself"),
    ),
    "supervised without a label": (
        put("pretrained.mono-defect.label", None),
        ("pretrained.mono-defect.label: missing",),
    ),
    "a label for nothing": (put("pretrained.cells-simclr.label", "defect"), ("'simclr' uses no labels",)),
    "a source and a pretrained one of one name": (
        lambda raw: raw["pretrained"].update(imagenet=raw["pretrained"]["cell-type"]),
        ("pretrained.imagenet: sources has an entry of this name",),
    ),
    "no repeat": (put("run.repeats", 0), ("run.repeats", "greater than or equal to 1", "0")),
    "no repeat of a question": (
        put("questions.mono-to-poly.repeats", 0),
        ("questions.mono-to-poly.repeats", "greater than or equal to 1"),
    ),
    "too many repeats": (
        put("questions.cells-to-defect.repeats", 101),
        ("questions.cells-to-defect.repeats", "less than or equal to 100", "101"),
    ),
    "looks that fall": (put("verdict.looks", [3, 1]), ("verdict.looks", "must ascend", "[3, 1]")),
    "a store of less than nothing": (put("run.store_gb", -1), ("run.store_gb", "greater than or equal to 0")),
    "resamples of a bootstrap that is gone": (put("verdict.resamples", 500), ("verdict.resamples: unknown key",)),
    "the former name of `again`": (
        put("baselines.few-labels-resnet8.repeat", 1),
        ("baselines.few-labels-resnet8.repeat: unknown key",),
    ),
    "both baselines of one seed": (
        put("baselines.few-labels-resnet8-again.again", 0),
        ("questions.scratch-again.against", "give one another `again`"),
    ),
    "an arm that is none": (
        put("questions.with-all.arm", "sources/imagenet"),
        ("questions.with-all.arm", "should match pattern", "sources/imagenet"),
    ),
    "a dangling arm": (
        put("questions.cells-to-defect.arm", "transfers/cels-to-defect"),
        ("questions.cells-to-defect.arm: no 'cels-to-defect' in transfers", "mean 'cells-to-defect'?"),
    ),
    "a transfer that no question compares": (
        lambda raw: raw["transfers"].update(unasked=raw["transfers"]["imagenet-to-defect"]),
        ("transfers.unasked: no question compares it", "arm: transfers/unasked"),
    ),
    "an adaptation against a baseline": (
        put("questions.mono-to-poly-unlabelled.against", "baselines/poly-defect-resnet8"),
        ("questions.mono-to-poly-unlabelled.against", "its own unadapted source"),
    ),
    "a part of nothing": (
        put("questions.rescaled-type-scaling.part_of", "type-to-defekt"),
        ("questions.rescaled-type-scaling.part_of", "mean 'type-to-defect'?"),
    ),
    "a study of an unknown question": (
        put("studies.labels.questions", ["with-half", "with-everything"]),
        ("studies.labels.questions: no 'with-everything' in questions",),
    ),
    "unsupervised from labels": (
        put("transfers.planted-positive.setting", "unsupervised"),
        ("transfers.planted-positive.setting", "trained with labels"),
    ),
    "unsupervised from labels, two links before": (
        lambda raw: raw["pretrained"].update(
            {
                "turned": {"pretrain": "rotation", "init": "cell-type", "dataset": "panels"},
                "cells-simclr": raw["pretrained"]["cells-simclr"] | {"init": "turned"},
            }
        ),
        (
            "transfers.cells-to-defect.setting",
            "'cells-simclr' starts from 'cell-type', which was trained with labels",
        ),
    ),
    "an unknown control": (
        put("questions.planted-negative.control", "planted"),
        ("questions.planted-negative.control: input should be 'null'", "received 'planted'"),
    ),
    "transductive with another objective": (
        put("transfers.type-to-defect.setting", "transductive"),
        ("transfers.type-to-defect.setting", "the same task on other data"),
    ),
    "adapted to another objective": (
        put("adaptations.mono-to-poly-unlabelled.source", "cell-type"),
        ("adaptations.mono-to-poly-unlabelled.source: 'cell-type' was trained on 'type'",),
    ),
    "two limits of labels": (
        put("targets.few-labels.train_fraction", 0.5),
        ("targets.few-labels.train_fraction: received 0.5 beside labels_per_class 12", "one of the two"),
    ),
    "more than all labels": (put("targets.few-labels.train_fraction", 1.5), ("few-labels.train_fraction", "1.5")),
    "no questions": (put("questions", {}), ("questions: ", "at least 1")),
    "a table without its name": (drop("datasets.panels.table"), ("datasets.panels.table: missing; reader table",)),
    "a kind of no groups": (
        put(
            "datasets.kindless",
            {"reader": "folder", "raw": "data/raw/own", "labels": ["label"], "group_kind": "patient"},
        ),
        ("datasets.kindless.group_kind: received 'patient' without a `group`",),
    ),
    "a value of where that is no class": (
        put("targets.poly-defect.where", {"type": "polly"}),
        ("targets.poly-defect.where.type: received 'polly'", "mean 'poly'?"),
    ),
    "more blocks than the network has": (
        put("transfers.type-to-defect.unfreeze", 6),
        ("transfers.type-to-defect.unfreeze: received 6, but cifar_resnet8 has 4 blocks; set 0 to 4",),
    ),
    "a block that the network does not have": (
        put("transfers.type-to-defect.unfreeze", "block9z"),
        (
            "transfers.type-to-defect.unfreeze: received 'block9z', which names no block or layer of cifar_resnet8",
            "stem",
        ),
    ),
    "images too small for a network": (
        put("baselines.cell-defect-lite0.architecture", "Xception"),
        ("baselines.cell-defect-lite0: Xception takes images from 71 pixels a side on, here they have 32",),
    ),
    "names that differ in case alone": (
        put("targets.Few-Labels", {"dataset": "panels", "label": "type"}),
        ("targets.Few-Labels: differs from targets.few-labels in case alone",),
    ),
    "a name of a device": (
        put("targets.Nul", {"dataset": "panels", "label": "type"}),
        ("targets.Nul: Windows has a device of this name",),
    ),
    "a name longer than a file system takes": (
        put(f"targets.{'n' * 101}", {"dataset": "panels", "label": "type"}),
        ("at most 100 long",),
    ),
    "a label that is a number": (put("pretrained.mono-defect.where", {"type": 3}), ("where.type: a text was", '"3"')),
    "no mapping": (put("run", None), ("run: has nothing below it",)),
}


def test_params_without_a_fault_are_taken(raw):
    check_params(raw)


@pytest.mark.parametrize(("looks", "words"), [([1, 1], "must ascend"), ([0, 2], "looks.0"), ([2.5], "looks.0")])
def test_looks_are_numbers_of_repeats_each_more_than_the_last(raw, looks, words):
    raw["verdict"]["looks"] = looks
    (fault,) = faults_of(raw)
    assert "verdict.looks" in fault and words in fault


def test_looks_that_ascend_are_taken_and_none_are_planned_by_default(raw):
    assert check_params(raw).verdict.looks == []
    raw["verdict"]["looks"] = [1, 3, 9]
    assert check_params(raw).verdict.looks == [1, 3, 9]


def test_every_section_of_entries_is_filled_here(raw):
    """So the tests of params and of wiring cover every section of params.yaml."""
    assert [section for section in ENTRY_SECTIONS if not raw[section]] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_key_and_what_was_received(raw, name):
    edit, words = FAULTS[name]
    edit(raw)
    found = faults_of(raw)
    assert any(all(word in fault for word in words) for fault in found), found


def test_one_mistake_is_one_fault(raw):
    for value in (-1, True, 1.5, None):
        put("tune.unfreeze", value)(raw)
        assert len(faults_of(raw)) == 1


@pytest.mark.parametrize(
    ("head", "tune", "faulty"),  # rates and penalties of the head, and rates of tune, where scratch has two
    [
        ((2, 1), 2, ()),
        ((1, 2), 2, ()),
        ((2, 2), 2, ("head",)),
        ((1, 1), 2, ("head",)),
        ((2, 1), 3, ("tune",)),
        ((3, 1), 1, ("head", "tune")),
    ],
)
def test_arms_that_are_compared_try_the_same_number_of_settings(raw, head, tune, faulty):
    raw["head"] |= {"learning_rate": [1e-3] * head[0], "l2": [0.0] * head[1]}
    raw["tune"]["learning_rate"], raw["scratch"]["learning_rate"] = [1e-3] * tune, [1e-3] * 2
    if faulty:
        assert sorted(fault.partition(".")[0] for fault in faults_of(raw)) == list(faulty)
    else:
        check_params(raw)


@pytest.mark.parametrize(("key", "value"), [("scratch.learning_rate", []), ("head.l2", 7)])
def test_a_sweep_that_is_no_list_of_values_is_one_fault(raw, key, value):
    put(key, value)(raw)
    (fault,) = faults_of(raw)
    assert fault.startswith(key)


def test_a_sweep_that_is_no_list_does_not_hide_another(raw):
    raw["head"]["l2"], raw["tune"]["learning_rate"] = [], [1e-3] * 2
    assert {fault.partition(":")[0] for fault in faults_of(raw)} == {"head.l2", "tune.learning_rate"}


def test_all_faults_are_told_at_once(raw):
    # these overwrite what another fault edits
    undone = ("two limits of labels", "no mapping", "no questions", "unequal sweeps", "pools that are no whole")
    undone += ("more penalties than scratch has rates", "more blocks than the network has")
    undone += ("images too small for a network", "a block that the network does not have")
    edits = [fault for name, fault in FAULTS.items() if name not in undone]
    for edit, _ in edits:
        edit(raw)
    found = faults_of(raw)
    lost = [words for _, words in edits if not any(all(word in fault for word in words) for fault in found)]
    assert not lost, lost
    assert len(found) >= len(edits)


def test_a_keras_file_needs_its_digest_and_weights_from_file(raw):
    put("sources.imagenet.architecture", "models/own.keras")(raw)
    put("baselines.cell-defect-lite0.architecture", "models/own.keras")(raw)
    found = "\n".join(faults_of(raw))
    assert "sources.imagenet.sha256: missing" in found
    assert "baselines.cell-defect-lite0.sha256: missing" in found
    assert "sources.imagenet.weights: received 'imagenet'" in found


def test_a_file_of_weights_is_named_and_pinned_for_a_model_of_keras_applications_only(raw):
    put("sources.imagenet", {"architecture": "MobileNetV2", "weights": "file"})(raw)
    put("sources.random.path", "weights_notop.h5")(raw)
    found = "\n".join(faults_of(raw))
    assert "sources.imagenet.path: missing; weights: file of MobileNetV2 needs the path of its *_notop.h5" in found
    assert "sources.imagenet.sha256: missing; a file of weights is pinned by its sha256" in found
    assert "sources.random.path: belongs to weights: file of a model of keras.applications; remove it" in found


@pytest.mark.parametrize(
    ("reader", "group"), [("elpv", "blocks"), ("elpv", None), ("folder", None), ("table", "module"), ("table", None)]
)
def test_a_group_that_the_reader_knows_is_no_fault(raw, reader, group):
    own = {"reader": reader, "raw": "data/raw/own", "table": "own.csv", "labels": ["label"], "group": group}
    put("datasets.own", own)(raw)
    assert check_params(raw).datasets["own"].group == group


@pytest.mark.parametrize(
    ("name", "kind", "quoted"),
    [
        ("2024", "a number", "2024"),
        ("1e3", "a number", "1000.0"),
        ("1.5", "a number", "1.5"),
        ("true", "true or false", "true"),
        ("null", "no value", "null"),
        ("~", "no value", "null"),
        ("2024-01-31", "a date", "2024-01-31"),
        ("[a, b]", "no text", "('a', 'b')"),
    ],
)
def test_a_name_that_is_no_text_to_yaml_is_refused_in_every_section(tmp_path, raw, name, kind, quoted):
    """DVC makes no stage of it, without a word."""
    for section in ENTRY_SECTIONS:
        raw[section] = {**raw[section], "placeholder": next(iter(raw[section].values()))}
    faults = faults_of_text(tmp_path, text_of(raw).replace("placeholder:", f"? {name}\n  :"))
    for section in ENTRY_SECTIONS:
        told = [fault for fault in faults if fault.startswith(f"{section}.{quoted}: this name is ")]
        assert len(told) == 1 and kind in told[0] and f'write it in quotes: "{quoted}"' in told[0], faults


def test_the_same_names_in_quotes_are_taken(tmp_path, raw):
    entry = raw["targets"]["cell-defect"]
    for name in ("2024", "1", "1e3", "true", "null", "no", "2024-01-31", "007"):
        raw["targets"][name] = entry
    (tmp_path / "params.yaml").write_text(text_of(raw))
    assert {"2024", "1", "1e3", "true", "null", "no", "2024-01-31", "007"} <= set(
        load_params(tmp_path / "params.yaml").targets
    )


@pytest.mark.parametrize("value", ["2024-01-31", "!!binary aGFsbG8=", "!!set {a, b}"])
def test_a_value_that_is_no_text_number_or_truth_is_refused(tmp_path, raw, value):
    raw["targets"]["cell-defect"]["label"] = "placeholder"
    faults = faults_of_text(tmp_path, text_of(raw).replace("placeholder", value))
    assert any(fault.startswith("targets.cell-defect.label") and "in quotes" in fault for fault in faults)


def test_the_same_name_with_and_without_quotes_and_a_value_that_holds_itself_are_refused(tmp_path, raw):
    raw["targets"]["2024"] = raw["targets"]["cell-defect"]
    text = text_of(raw).replace("placeholder", "x") + "\nmine: &mine {again: *mine}\n"
    faults = faults_of_text(tmp_path, text.replace("targets:", "targets:\n  2024: {dataset: panels, label: type}", 1))
    assert any(fault.startswith("targets.2024: occurs twice") for fault in faults)
    assert "mine.again: refers to itself; write its fields out" in faults


@pytest.mark.parametrize("section", ENTRY_SECTIONS)
def test_a_section_that_is_empty_or_gone_is_told_with_how_an_empty_one_is_written(raw, section):
    remedy = f"an empty section is written `{section}: {{}}`"
    raw[section] = None
    assert any(fault.startswith(f"{section}: has nothing below it") and remedy in fault for fault in faults_of(raw))
    del raw[section]
    assert any(fault.startswith(f"{section}: missing") and remedy in fault for fault in faults_of(raw))


def test_an_unfreeze_of_all_transfers_is_held_against_each_network(raw):
    raw["tune"]["unfreeze"] = 5
    (fault,) = faults_of(raw)
    assert fault.startswith("transfers.mono-to-poly.unfreeze: received 5 (by tune.unfreeze), but cifar_resnet8 has 4")


def test_a_reference_that_is_a_number_is_told_to_be_quoted(raw):
    raw["transfers"]["imagenet-to-defect"]["source"] = 2024
    assert any('source: a text was expected, received 2024; write it in quotes: "2024"' in f for f in faults_of(raw))


def test_an_unknown_reader_is_one_fault(raw):
    put("datasets.panels.reader", ["folder"])(raw)
    (fault,) = faults_of(raw)
    assert fault.startswith("datasets.panels.reader")


@pytest.mark.parametrize(("field", "other"), [("architecture", "MobileNetV2"), ("target", "another")])
def test_a_baseline_of_another_network_or_target_is_refused(raw, field, other):
    raw["targets"]["another"] = copy.deepcopy(raw["targets"]["cell-defect"])
    put(f"baselines.cell-defect-lite0.{field}", other)(raw)
    (fault,) = faults_of(raw)
    assert fault.startswith("questions.imagenet-to-defect.against") and other in fault


def test_a_duplicate_key_is_refused_with_its_line(tmp_path, text):
    (fault,) = faults_of_text(tmp_path, text + "\nhead: {}\n")
    line = text.count("\n") + 2
    assert fault.startswith(f'line {line}, column 1: found duplicate key "head"; add its entries to the existing')


def test_what_is_no_yaml_is_told_with_its_line_and_what_it_usually_is(tmp_path):
    (fault,) = faults_of_text(tmp_path, "run:\n  seed:7\n  folds: 3\n")
    assert fault.startswith("line 3, column ") and "a colon and a space" in fault


def test_a_number_in_place_of_a_list_is_shown_as_a_list(raw):
    put("tune.learning_rate", 3e-4)(raw)
    assert faults_of(raw) == ["tune.learning_rate: a list was expected, such as [0.0003]; received 0.0003"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "7\n", "a: [1\n", "? [a, b]\n: 1\n", "a: \x00\n"])
def test_what_is_no_mapping_of_sections_is_refused(tmp_path, text):
    assert faults_of_text(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"run: \xff\xfe\n")
    with pytest.raises(ParamsError):
        load_params(tmp_path / "params.yaml")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(ParamsError, match="does not exist"):
        load_params(tmp_path / "params.yaml")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(ParamsError, match="cannot be read: is a directory; it must be a file that you may read"):
        load_params(tmp_path / "params.yaml")


def test_a_file_without_the_right_to_read_it_is_refused(tmp_path, monkeypatch):
    def refuse(path, **_):  # root may read any file, whatever its mode
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ParamsError, match=r"params\.yaml has 1 fault:\n  - cannot be read: permission denied"):
        load_params(tmp_path / "params.yaml")


def test_values_are_those_that_dvc_reads(params_file, raw):
    params = load_params(params_file)
    assert read_yaml(params_file) == raw
    typed = params.model_dump(exclude_unset=True, mode="json")
    assert typed == raw


def test_yaml_is_that_of_dvc(tmp_path):
    text = "a: 1e-3\nb: no\nc: 0o17\nd: 1_000\n"
    (tmp_path / "params.yaml").write_text(text)
    assert read_yaml(tmp_path / "params.yaml") == parse_yaml(text, "params.yaml")
    assert read_yaml(tmp_path / "params.yaml")["a"] == 0.001


# ---- slices ----------------------------------------------------------------------------------------------------------


def test_a_slice_hides_what_is_not_tracked(raw):
    part = check_params(raw).slice(("run.seed", "targets.cell-defect", "head"))
    assert (part.run.seed, part.head.epochs) == (raw["run"]["seed"], raw["head"]["epochs"])
    assert part.targets["cell-defect"].label == "defect"
    for untracked in ("part.run.folds", "part.tune", "part.datasets", "part.targets['other']"):
        with pytest.raises((AttributeError, KeyError)):
            eval(untracked)


def test_an_entry_beside_the_tracked_one_is_hidden(raw):
    raw["targets"]["second"] = copy.deepcopy(raw["targets"]["cell-defect"])
    part = check_params(raw).slice(("targets.second",))
    assert list(part.targets) == ["second"]


def test_params_cannot_be_changed(raw):
    with pytest.raises(ValueError, match="frozen"):
        check_params(raw).run.seed = 8


def test_a_value_is_found_by_its_dotted_key(raw):
    params = check_params(raw)
    assert params.at("head.epochs") == raw["head"]["epochs"]
    assert params.at("targets.cell-defect").label == "defect"
    assert params.at("verdict") is params.verdict


def test_a_source_without_labels_may_begin_with_published_weights(raw):
    raw["pretrained"]["from-imagenet"] = raw["pretrained"]["cells-simclr"] | {"init": "imagenet"}
    raw["transfers"]["cells-to-defect"] |= {"source": "from-imagenet"}
    raw["baselines"]["few-labels-lite0"] = {"target": "few-labels", "architecture": "efficientnet_lite0"}
    raw["questions"]["cells-to-defect"] |= {"against": "baselines/few-labels-lite0"}
    assert check_params(raw).transfers["cells-to-defect"].setting == "unsupervised"


def test_the_chain_of_a_source_ends_at_its_entry_of_sources(raw):
    params = check_params(raw)
    chains = [params.chain_of(name) for name in (*params.sources, *params.pretrained)]
    assert max(map(len, chains)) > 1
    for chain in chains:
        assert chain[-1] in params.sources
        assert chain[1:] == [params.pretrained[link].init for link in chain[:-1]]


def test_uses_are_the_pairs_of_transfers_and_adaptations_each_once(raw):
    params = check_params(raw)
    entries = [*params.transfers.values(), *params.adaptations.values()]
    pairs = [(entry.source, entry.target) for entry in entries]
    assert len(set(pairs)) < len(pairs)
    assert params.uses() == sorted(set(pairs))
