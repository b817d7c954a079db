"""Validation of a manifest: each fault fails an expectation and gives one sentence."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.schema import Dataset, Run, Target
from pipeline.datasets import expectations
from pipeline.store.errors import InputError

RUN = Run.model_construct(folds=3, protocol="grouped")
DATASET = Dataset(
    reader="table",
    raw="raw",
    labels=["kind"],
    weights=["trust"],
    classes={"kind": ["cat", "dog"]},
    brightness=(0.1, 0.9),
    near_duplicate_distance=4,
    conflict_cap=0.1,
)
TARGETS = {"kinds": Target(dataset="d", label="kind")}


def good() -> pd.DataFrame:
    count = 12
    return pd.DataFrame(
        {
            "row": range(count),
            "image_id": [f"{index:064x}" for index in range(count)],
            "name": [f"{index}.png" for index in range(count)],
            "width": 20,
            "height": 20,
            "brightness": 0.5,
            "cluster": range(count),
            "kind": ["cat", "dog"] * 6,
            "trust": 1.0,
            "group": [f"g{index // 2}" for index in range(count)],
            "unit": [f"u{index // 2}" for index in range(count)],
            "pool": "",
        }
    )


def checked(manifest: pd.DataFrame, run: Run = RUN) -> dict[str, object]:
    suite = expectations.rules(DATASET, TARGETS, run)
    return expectations.check("d", suite, expectations.tables(manifest, DATASET.labels, TARGETS))[0]


def complaints(manifest: pd.DataFrame) -> list[str]:
    with pytest.raises(InputError) as error:
        expectations.gate(checked(manifest))
    return [line.removeprefix("  - ") for line in str(error.value).splitlines()[1:]]


@pytest.mark.slow
def test_a_good_manifest_passes_with_the_same_report_each_time() -> None:
    report = checked(good())
    expectations.gate(report)
    assert report["success"] is True
    assert json.dumps(report, allow_nan=False) == json.dumps(checked(good()))


FAULTS = {
    "null label": ("kind", None, "column 'kind' has rows without a value; fill them in (1: kind None, name 4.png)."),
    "typo": ("kind", "dgo", "labels of 'kind' are not among cat, dog"),
    "null group": ("group", None, "column 'group' has rows without a value"),
    "small": ("width", 3, "images have a width under min_side 16 pixels; remove them (1: width 3, name 4.png)."),
    "dark": ("brightness", 0.01, "more than 1% of the images have a mean grey outside 0.1..0.9"),
    "weight of nothing": ("trust", 0.0, "weights 'trust' are outside (0, 1]"),
    "weight of two": ("trust", 2.0, "weights 'trust' are outside (0, 1]"),
    "weight of nan": ("trust", float("nan"), "column 'trust' has rows without a value"),
    "twice": ("image_id", f"{3:064x}", "the same image occurs more than once"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_one_bad_value_is_one_sentence(case: str) -> None:
    column, value, message = FAULTS[case]
    manifest = good()
    manifest[column] = manifest[column].where(manifest["row"] != 4, value)
    found = complaints(manifest)
    assert found[0].startswith(message)
    # an unknown label is also a class of its own with too few images
    assert len(found) == (2 if case == "typo" else 1)


def test_empty_table_fails() -> None:
    assert complaints(good().iloc[:0])[0] == "there are fewer than two images."


@pytest.mark.parametrize("column", ["trust", "brightness", "name"])
def test_missing_column_fails_with_one_sentence(column: str) -> None:
    assert complaints(good().drop(columns=column)) == [f"column '{column}' is missing; run ingest again."]


def test_missing_label_column_fails() -> None:
    assert complaints(good().drop(columns="kind"))[0] == "column 'kind' is missing; run ingest again."


def test_class_with_fewer_images_than_folds() -> None:
    manifest = good()
    manifest["kind"] = ["cat"] * 10 + ["dog"] * 2
    assert complaints(manifest) == [
        "classes of a target have fewer images than run.folds 3; add images or lower run.folds "
        "(1: images 2, name kinds: dog)."
    ]


def test_one_class_only() -> None:
    found = complaints(good().assign(kind="cat"))
    assert found == ["a target has fewer than two classes; add one (1: classes 1, name kinds)."]


def test_fewer_groups_than_folds_only_where_groups_are_kept_together() -> None:
    manifest = good().assign(unit="u0")
    assert "a target has fewer groups than run.folds 3" in complaints(manifest)[0]
    expectations.gate(checked(manifest, Run.model_construct(folds=3, protocol="random")))


def test_near_duplicates_with_other_labels_are_a_fault_above_their_cap() -> None:
    manifest = good()
    manifest["cluster"] = [0, 0, *range(2, 12)]  # a cat and a dog that look the same: two of twelve, the cap is a tenth
    assert "more than the share 0.1 (conflict_cap)" in complaints(manifest)[0]
    manifest["kind"] = ["cat", "cat"] + ["cat", "dog"] * 5
    expectations.gate(checked(manifest))


def test_label_conflicts_among_near_duplicates_are_counted() -> None:
    manifest = good().assign(cluster=[0, 0, 2, 3, 2, *range(5, 12)])
    assert expectations.label_conflicts(manifest, ["kind"]) == {"kind": {"clusters": 2, "with_different_labels": 1}}


def test_a_share_of_the_labels_that_leaves_a_class_too_few_is_told_by_class() -> None:
    manifest = good()
    manifest["kind"] = ["cat"] * 8 + ["dog"] * 4
    targets = {"some": Target(dataset="d", label="kind", train_fraction=0.5)}
    suite = expectations.rules(DATASET, targets, RUN)
    report = expectations.check("d", suite, expectations.tables(manifest, DATASET.labels, targets))[0]
    with pytest.raises(InputError, match=r"fewer than two labelled images.*labelled 2\.0, name some: dog"):
        expectations.gate(report)
    assert not [rule for rule in expectations.rules(DATASET, TARGETS, RUN) if rule.column == "labelled"]


@pytest.mark.slow
def test_deep_files_with_few_grey_levels_are_a_fault_and_plain_ones_are_not() -> None:
    manifest = good().assign(mode="I;16", levels=[17] * 7 + [200] * 5)  # 12 bits on the scale of 16 have 17
    (complaint,) = complaints(manifest)
    assert complaint.startswith("half of the images of one mode of more than 8 bits have fewer than 20 grey levels")
    assert "(1: levels 17, name I;16)" in complaint
    expectations.gate(checked(manifest.assign(levels=[4] * 5 + [200] * 7)))
    expectations.gate(checked(manifest.assign(mode="L")))  # a drawing
    for mode in ("F", "I", "I;16B", "RGB;16"):
        assert len(complaints(manifest.assign(mode=mode))) == 1
    assert len(complaints(manifest.assign(levels=[1, 1, *[200] * 10], mode=["F", "F", *["I;16"] * 10]))) == 1


def test_a_message_is_bounded_and_names_the_report(tmp_path: Path) -> None:
    report = checked(good()[["name", "cluster"]])
    with pytest.raises(InputError) as error:
        expectations.gate(report, tmp_path / "d.json")
    lines = str(error.value).splitlines()
    assert len(lines) == 12
    assert lines[-1].endswith(f"more, in {tmp_path / 'd.json'}.")
