"""The contact sheet: small, the same bytes twice, with every picture in it, whatever the labels are."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.report import contact_sheet as sheets
from pipeline.report.contact_sheet import CELL, COLUMNS, LARGEST, LINE, MOST, Picture, contact_sheet


def picture(grey, *lines, size=80, channels=1):
    return Picture(np.full((size, size, channels), grey, "uint8"), lines or ("label", "tuned 0.90", "scratch 0.10"))


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), "int64")


def test_the_same_bytes_twice_and_others_for_other_pictures():
    both = [picture(100), picture(200)]
    assert contact_sheet("title", both) == contact_sheet("title", both) != contact_sheet("title", [picture(100)] * 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_is_in_its_place_and_none_beyond_the_most(channels):
    greys = [10 * index for index in range(MOST + 3)]
    shown = pixels(contact_sheet("title", [picture(grey, "x", channels=channels) for grey in greys]))
    rows = MOST // COLUMNS
    height = (shown.shape[0] - LINE) // rows
    places = ((LINE + row * height + 32, column * CELL + 32) for row in range(rows) for column in range(COLUMNS))
    found = [shown[place] for place in places]
    assert shown.shape[1] == COLUMNS * CELL
    np.testing.assert_allclose(found, greys[:MOST], atol=4)  # lossy


def test_noise_the_worst_for_compression_stays_small():
    rng = np.random.default_rng(0)
    noise = [Picture(rng.integers(0, 256, (64, 64, 3), "uint8"), ("label", "p")) for _ in range(MOST)]
    assert len(contact_sheet("title", noise)) <= LARGEST


def test_a_sheet_without_pictures_is_its_title():
    shown = pixels(contact_sheet("a title", []))
    assert shown.shape[0] < 64 and shown.min() < 128


@pytest.mark.parametrize("label", ["", "\n\x00\t", "Größe 缺陷", "<script>alert(1)</script>", "w" * 500])
def test_any_label_is_written_and_cut_to_its_cell(label):
    shown = pixels(contact_sheet("", [picture(255, label)]))
    assert (shown[:, CELL:] > 200).all()


def test_long_labels_that_differ_at_their_end_look_different():
    """And the probability after an arm's long name is not cut off."""
    labels = ["class 11 with a name of forty characters", "class 11 with a name of forty-two characters"]
    one, other = (pixels(contact_sheet("", [picture(255, label)])) for label in labels)
    assert one.shape != other.shape or (one != other).any()
    assert sheets._broken(["target_supervised 0.12"]) == ["target_supervised", "0.12"]


@pytest.mark.parametrize("label", ["Größe", "класс"])
def test_letters_beyond_ascii_are_drawn(label):
    unknown = pixels(contact_sheet("", [picture(255, "\uffff" * len(label))]))
    assert (pixels(contact_sheet("", [picture(255, label)])) != unknown).any()


def test_small_images_are_not_blown_up():
    shown = pixels(contact_sheet("", [picture(0, "", size=16)]))
    assert (shown < 60).sum() <= 20 * 20


def test_quality_falls_until_it_fits(monkeypatch):
    noise = [Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 1), "uint8"), ("x",))]
    full = len(contact_sheet("title", noise))
    monkeypatch.setattr(sheets, "LARGEST", full - 1)
    assert len(contact_sheet("title", noise)) < full
