"""Random views: crops lie inside, brightness and contrast stay in bounds, the seed determines all."""

import numpy as np
import pytest

from pipeline.pretraining.views import ASPECT, crop, draw_views, make_views, random_boxes, relight

from .worlds import SETTINGS

IMAGES = np.random.default_rng(0).integers(40, 200, (6, 24, 24, 1)).astype("uint8")


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_boxes_lie_inside_and_are_as_large_and_as_long_as_asked():
    boxes = random_boxes(4000, 80, 0.3, rng())
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0 and boxes.max() <= 80
    share = width * height / 80**2
    assert 0.25 < share.min() < 0.32 and share.max() > 0.97  # a side that would not fit is cut, and the area with it
    assert (np.maximum(width / height, height / width) <= ASPECT + 1e-9).all()
    assert abs(boxes[:, [0, 2]].mean() - 40) < 1 and abs(boxes[:, [1, 3]].mean() - 40) < 1


def test_the_whole_box_is_the_image_and_a_quarter_is_its_corner():
    np.testing.assert_array_equal(crop(IMAGES[0], np.array([0.0, 0, 24, 24])), IMAGES[0])
    corner = np.zeros((24, 24, 3), "uint8")
    corner[:12, :12] = 200
    # at the box's edge Pillow looks a pixel beyond it
    assert (crop(corner, np.array([0.0, 0, 12, 12]))[:20, :20] == 200).all()
    assert (crop(corner, np.array([12.0, 12, 24, 24]))[4:, 4:] == 0).all()


def test_light_changes_mean_and_contrast_within_bounds():
    same = np.ones((6, 1, 1, 1), "float32")
    np.testing.assert_allclose(relight(IMAGES, same, same), IMAGES, rtol=1e-6, atol=1e-4)
    flat = np.full((500, 4, 4, 1), 100, "uint8")
    draws = draw_views(500, 4, SETTINGS["simclr"].model_copy(update={"brightness": 0.2}), "none", rng())
    light = relight(flat, draws.light, draws.contrast)[:, 0, 0, 0]
    assert 80 <= light.min() < 82 and 118 < light.max() <= 120.001
    assert 0.8 <= draws.contrast.min() < 0.82 and 1.18 < draws.contrast.max() <= 1.2001
    assert (relight(flat * 2, 2 * draws.light, draws.contrast) <= 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_seeded_and_differ(channels):
    images = np.repeat(IMAGES, channels, axis=-1)
    first, again, other = (
        make_views(images, "dihedral", draw_views(6, 24, SETTINGS["simclr"], "dihedral", rng(seed)))
        for seed in (1, 1, 2)
    )
    assert first.shape == (6, 24, 24, 3) and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first[..., 0], first[..., 2])
