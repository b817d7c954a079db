"""Duplicates, near-duplicates, and the quarantine list."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets import manifest
from pipeline.datasets.images import perceptual_hash
from pipeline.datasets.manifest import Facts
from pipeline.datasets.readers.raw import RawDataset, RawImage
from pipeline.store.errors import InputError


def listed(*labels: str) -> list[RawImage]:
    return [
        RawImage(Path(f"{index}.png"), f"{index}.png", {"kind": label, "side": "left"}, {"trust": 0.5}, f"g{index}")
        for index, label in enumerate(labels)
    ]


def described(contents: str) -> dict[int, Facts]:
    return {i: Facts(content, 9, 8, "L", 0.5, 0.1, f"{i:016x}") for i, content in enumerate(contents) if content != "-"}


def test_exact_duplicates_with_one_label_are_kept_once() -> None:
    merged, contradictory = manifest.duplicates(listed("cat", "dog", "cat", "cat"), described("abaa"))
    assert merged == dict.fromkeys((2, 3), "duplicate of 0.png: same pixels, same labels")
    assert contradictory == {}


def test_same_image_two_labels() -> None:
    merged, contradictory = manifest.duplicates(listed("cat", "dog", "emu", "cat"), described("aaba"))
    assert merged == {}
    assert contradictory == {
        0: "same pixels as 1.png, other kind: 'cat' here, 'dog' there",
        1: "same pixels as 0.png, other kind: 'dog' here, 'cat' there",
        3: "same pixels as 1.png, other kind: 'cat' here, 'dog' there",
    }


def test_images_that_were_not_decoded_are_no_duplicates() -> None:
    assert manifest.duplicates(listed("cat", "cat"), described("a-")) == ({}, {})


def test_above_the_cap_the_run_refuses_with_counts_and_reasons() -> None:
    table = manifest.quarantine_table(listed("cat", "dog"), {1: "damaged: x"})
    manifest.check_cap(100, table, 0.01)
    with pytest.raises(InputError, match=r"1 of 99 images .* `quarantine_cap` 0.01 allows. First: 1.png: damaged: x"):
        manifest.check_cap(99, table, 0.01)


def test_the_manifest_has_one_row_a_kept_image() -> None:
    raw = RawDataset(listed("cat", "dog", "cat"), ["kind", "side"], ["trust"], {})
    table = manifest.build(raw, [0, 2], described("abc"), np.array([0, 0]), {}, 0)
    assert table["row"].tolist() == [0, 1]
    assert table["image_id"].tolist() == ["a", "c"]
    assert list(table.columns[-6:]) == ["kind", "side", "trust", "group", "unit", "pool"]
    assert table["trust"].dtype == np.float64


def test_an_image_that_was_recorded_in_two_groups_joins_them() -> None:
    """Else other images of the second patient would be tested by networks that learnt from this one."""
    images = [
        replace(one, group=group) for one, group in zip(listed(*["cat"] * 4), ("p1", "p1", "p2", "p2"), strict=True)
    ]
    raw, facts = RawDataset(images, ["kind"], [], {}), described("abac")
    merged, _ = manifest.duplicates(images, facts)
    unit = [manifest.build(raw, [0, 1, 3], facts, np.arange(3), {}, 0, left)["unit"].tolist() for left in ((), merged)]
    assert unit == [["u0", "u0", "u2"], ["u0", "u0", "u0"]]


def test_a_label_column_cannot_take_a_name_of_the_manifest() -> None:
    raw = RawDataset(listed("cat", "dog"), ["width"], [], {})
    with pytest.raises(InputError, match="Column 'width' has a reserved name"):
        manifest.build(raw, [0], described("ab"), np.array([0]), {}, 0)


# ---- near-duplicates ------------------------------------------------------------------------------------------------


def test_near_duplicates_share_a_cluster_and_look_alikes_do_not() -> None:
    rng = np.random.default_rng(4)
    frame = np.zeros((32, 32))
    frame[::8] = 120  # shared by all images of a kind
    scenes = [np.clip(frame + rng.normal(90, 30, (32, 32)), 0, 255) for _ in range(3)]
    again = np.clip(scenes[1] + rng.normal(0, 2, (32, 32)), 0, 255)
    thumbnails = np.stack([*scenes, again]).round().astype(np.uint8)
    phashes = [perceptual_hash(thumbnail) for thumbnail in thumbnails]
    assert manifest.near_duplicates(phashes, thumbnails, 16).tolist() == [0, 1, 2, 1]
    assert manifest.near_duplicates(["0" * 16] * 4, thumbnails, 0).tolist() == [0, 1, 2, 1]
    assert manifest.near_duplicates(phashes, thumbnails, None).tolist() == [0, 1, 2, 3]


def test_flat_images_are_told_apart_by_their_grey() -> None:
    thumbnails = np.stack([np.full((32, 32), grey, np.uint8) for grey in (10, 200, 11)])
    assert manifest.near_duplicates(["0" * 16] * 3, thumbnails, 0).tolist() == [0, 1, 0]


def test_an_empty_quarantine_list_has_its_header() -> None:
    assert manifest.quarantine_table([], {}).to_csv(index=False) == "name,reason\n"
    assert isinstance(manifest.quarantine_table([], {}), pd.DataFrame)
