"""Both losses against loops over every pair and every entry, written from the papers' formulas."""

import keras
import numpy as np
import pytest

from pipeline.pretraining.simclr import nt_xent
from pipeline.pretraining.vicreg import EPSILON, vicreg

PROJECTIONS = np.random.default_rng(4).normal(size=(10, 3)).astype("float32")  # 5 images in 2 views


def value(tensor) -> float:
    return float(keras.ops.convert_to_numpy(tensor))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


def brute_nt_xent(z: np.ndarray, temperature: float) -> float:
    total, count = 0.0, len(z)
    for i in range(count):
        j = (i + count // 2) % count
        others = sum(np.exp(cosine(z[i], z[k]) / temperature) for k in range(count) if k != i)
        total -= np.log(np.exp(cosine(z[i], z[j]) / temperature) / others)
    return total / count


def brute_vicreg(z: np.ndarray, weights: tuple[float, float, float]) -> float:
    count, width = len(z) // 2, z.shape[1]
    views = z[:count], z[count:]
    invariance = sum((views[0][i, k] - views[1][i, k]) ** 2 for i in range(count) for k in range(width))
    variance = redundancy = 0.0
    for view in views:
        mean = [sum(view[:, k]) / count for k in range(width)]
        for k in range(width):
            for m in range(width):
                products = [(view[i, k] - mean[k]) * (view[i, m] - mean[m]) for i in range(count)]
                covariance = sum(products) / (count - 1)
                if k == m:
                    variance += max(0, 1 - np.sqrt(covariance + EPSILON)) / width / 2
                else:
                    redundancy += covariance**2 / width
    return weights[0] * invariance / (count * width) + weights[1] * variance + weights[2] * redundancy


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_the_papers(temperature):
    assert value(nt_xent(PROJECTIONS, temperature)) == pytest.approx(brute_nt_xent(PROJECTIONS, temperature), rel=1e-5)


def test_a_projection_of_zeros_is_a_number():
    dead = np.concatenate([PROJECTIONS[:5], np.zeros((5, 3), "float32")])
    assert value(nt_xent(dead, 0.5)) == pytest.approx(value(nt_xent(dead + 1e-12 * (dead == 0), 0.5)))


def test_nt_xent_knows_which_views_are_of_one_image():
    z = np.eye(4, dtype="float32")
    matched, mismatched = np.concatenate([z, z]), np.concatenate([z, z[[1, 2, 3, 0]]])
    assert value(nt_xent(matched, 0.1)) < 0.01 < 5 < value(nt_xent(mismatched, 0.1))


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_vicreg_is_the_papers(weights, scale):
    z = PROJECTIONS * np.float32(scale)
    assert value(vicreg(z, *weights)) == pytest.approx(brute_vicreg(z.astype("float64"), weights), rel=1e-4)


def test_vicreg_punishes_a_constant_by_its_variance_alone():
    constant = np.ones((8, 3), "float32")
    assert value(vicreg(constant, 1.0, 0.0, 1.0)) == 0
    assert value(vicreg(constant, 0.0, 1.0, 0.0)) == pytest.approx(1 - np.sqrt(EPSILON), rel=1e-5)
