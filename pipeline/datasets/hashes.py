"""Search for close perceptual hashes, 64 bits each: exact, and not by comparing all with all where that takes long."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

BLOCK = 2**22  # comparisons at once; bounds the memory
FEW = 2**26  # comparisons that take less than a second
WIDTH = 16  # bits of a band, and
BANDS = 4  # of them in a hash
LOOKED_UP = 10  # a candidate from the index costs as much as so many comparisons in a row


def crossed_pairs(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """All pairs of an image and another, one of whose hashes is within a Hamming distance; a pair may be repeated.

    Args:
        hashes: uint64 (n,).
        others: uint64 (k n,), of the same images again in each n.
        distance: bits.

    Yields:
        int (pairs, 2).
    """
    count = len(hashes)
    for pair in _near(hashes, others, distance):
        twin = pair[:, 1] < count  # the same comparison occurs twice
        pair[:, 1] %= count
        yield pair[(pair[:, 0] != pair[:, 1]) & ~(twin & (pair[:, 0] > pair[:, 1]))]


def close_pairs(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """All pairs of 64-bit hashes within a Hamming distance, by exact search, each pair once.

    Split into distance + 1 bands, two such hashes agree in at least one band (pigeonhole), so only hashes with an equal
    band are compared: about n^2 (distance + 1) / 2^(64 / (distance + 1)) comparisons, 10^7 for 10^5 images.

    Args:
        hashes: uint64 (n,).
        distance: bits, 0..63.

    Yields:
        int (pairs, 2) in pieces of at most n pairs.
    """
    edges = np.linspace(0, 64, distance + 2).astype(int)
    masks = [np.uint64((1 << int(high)) - (1 << int(low))) for low, high in pairwise(edges)]
    for band, mask in enumerate(masks):
        key = hashes & mask
        order = np.argsort(key, kind="stable")
        key, place = key[order], np.arange(len(order))
        for shift in range(1, len(order)):  # compare each with its shift-th successor in the same bucket
            place = place[place + shift < len(order)]
            place = place[key[place] == key[place + shift]]
            if not len(place):
                break
            pair = np.stack([order[place], order[place + shift]], axis=1)
            bits = hashes[pair[:, 0]] ^ hashes[pair[:, 1]]
            near = np.bitwise_count(bits) <= distance
            for earlier in masks[:band]:  # which have found it
                near &= (bits & earlier) != 0
            yield pair[near]


def _near(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Places in `hashes` and in `others` of all hashes within a distance, int (pairs, 2), each pair once."""
    all_pairs = len(hashes) * len(others)
    if all_pairs <= FEW or LOOKED_UP * _candidates(hashes, others, distance) > all_pairs:
        return by_comparing_all(hashes, others, distance)
    return by_index(hashes, others, distance)


def by_comparing_all(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """As `_near`; takes 3 s for 20,000 hashes."""
    rows = max(1, BLOCK // max(1, len(others)))
    for start in range(0, len(hashes), rows):
        pair = np.argwhere(np.bitwise_count(hashes[start : start + rows, None] ^ others) <= distance)
        pair[:, 0] += start
        yield pair


def by_index(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """As `_near`, by multi-index hashing (Norouzi, Punjani and Fleet 2012).

    In one of four bands two such hashes differ by at most a quarter of the distance (pigeonhole). So each hash is
    looked up with all such changes of a band in an index of this band; a pair that a band before has found is left out.
    """
    for band in range(BANDS):
        mine, theirs = _band(hashes, band), _band(others, band)
        order = np.argsort(theirs, kind="stable")
        size = np.bincount(theirs, minlength=2**WIDTH)
        first = np.cumsum(size) - size
        for change in _changes(distance):
            key = mine ^ change
            for rows in _pieces(size[key]):
                pair = _expanded(rows, first[key[rows]], size[key[rows]], order)
                bits = hashes[pair[:, 0]] ^ others[pair[:, 1]]
                pair, bits = pair[near := np.bitwise_count(bits) <= distance], bits[near]
                before = np.zeros(len(pair), bool)
                for earlier in range(band):
                    before |= np.bitwise_count(_band(bits, earlier)) <= distance // BANDS
                yield pair[~before]


def _candidates(hashes: np.ndarray, others: np.ndarray, distance: int) -> int:
    """The number of comparisons that `by_index` makes."""
    total, keys = 0, np.arange(2**WIDTH)
    for band in range(BANDS):
        mine, theirs = (np.bincount(_band(some, band), minlength=2**WIDTH) for some in (hashes, others))
        total += sum(int(mine @ theirs[keys ^ change]) for change in _changes(distance))
    return total


def _changes(distance: int) -> list[int]:
    """All ways to change at most a quarter of the distance of a band's bits."""
    sizes = range(min(distance // BANDS, WIDTH) + 1)
    return [sum(1 << bit for bit in bits) for size in sizes for bits in combinations(range(WIDTH), size)]


def _band(hashes: np.ndarray, band: int) -> np.ndarray:
    return ((hashes >> np.uint64(WIDTH * band)) & np.uint64(2**WIDTH - 1)).astype(np.int64)


def _pieces(size: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in pieces whose sizes sum to BLOCK or little more."""
    ends = np.cumsum(size)
    total = int(ends[-1]) if len(ends) else 0
    places = np.searchsorted(ends, np.arange(BLOCK, total + BLOCK, BLOCK))
    for low, high in pairwise([0, *np.minimum(places + 1, len(size)).tolist()]):
        if low < high:
            yield np.arange(low, high)


def _expanded(rows: np.ndarray, first: np.ndarray, size: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Each row with all that lie in its bucket, int (pairs, 2): the `size` places of `order` from `first` on."""
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return np.stack([np.repeat(rows, size), order[np.repeat(first, size) + within]], axis=1)
