"""Pairs of hashes within a Hamming distance: all of them, each once, without comparing all."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets import hash_search
from pipeline.datasets.hash_search import bands_for, close_pairs


def found(hashes: np.ndarray, others: np.ndarray, distance: int) -> list[tuple[int, int]]:
    return sorted(tuple(pair) for piece in close_pairs(hashes, others, distance) for pair in piece.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 16), st.integers(0, 2**32), st.integers(4, 2**20))
def test_as_comparing_all(count: int, distance: int, seed: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, distance + 2), replace=False)) for _ in hashes]
    others = np.concatenate([hashes, hashes ^ np.array(flips, np.uint64), hashes[:5]])  # near, which is rare by chance
    expected = np.argwhere(np.bitwise_count(hashes[:, None] ^ others) <= distance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_search, "BLOCK", block)
        assert found(hashes, others, distance) == [tuple(pair) for pair in expected.tolist()]


@pytest.mark.parametrize("distance", range(17))
@pytest.mark.parametrize("count", [1, 3_000, 200_000, 2_000_000])
def test_no_close_pair_can_differ_too_much_in_all_bands(count: int, distance: int) -> None:
    bands = bands_for(count, distance)
    assert sum(band.differ + 1 for band in bands) > distance
    assert all(one.low + one.bits <= other.low for one, other in pairwise(bands))


def test_the_work_is_far_from_that_of_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 hashes with twice as many: of 8e8 pairs, fewer than one in a hundred is compared."""
    compared = 0
    candidates = hash_search._candidates

    def counting(begin: np.ndarray, end: np.ndarray):
        nonlocal compared
        compared += int((end - begin).sum())
        return candidates(begin, end)

    monkeypatch.setattr(hash_search, "_candidates", counting)
    hashes, inner = np.random.default_rng(3).integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    inner[7] = hashes[5] ^ np.uint64(0b1011011)
    pairs = found(hashes, np.append(hashes, inner), 10)
    assert (5, 20_007) in pairs and len(pairs) < 20_100
    assert compared < 8e8 / 100
