"""Find all pairs of 64-bit hashes within a Hamming distance, without comparing all: multi-index hashing.

Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing" (2012): of hashes cut into bands,
two within a distance agree in some band up to a few bits (pigeonhole), and are looked up in a table of that band.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

BITS = 64
WIDEST = 22  # bits of a band, whose table has an entry a value
BLOCK = 2**20  # pairs compared at once; bounds the memory to about 50 MB
SPREAD = np.arange(BITS).reshape(8, 8).T.ravel()  # neighbouring bits, which tend to be alike, go to different bands


@dataclass(frozen=True)
class Band:
    """Some bits of a hash, from bit `low` on, and up to how many of them may differ."""

    low: int
    bits: int
    differ: int

    def of(self, hashes: np.ndarray) -> np.ndarray:
        """The band's bits as numbers, int64 (n,)."""
        return ((hashes >> np.uint64(self.low)) & np.uint64(2**self.bits - 1)).astype(np.int64)

    def flips(self) -> list[int]:
        """Every way in which the bits may differ, as the bits that do."""
        some = (combinations(range(self.bits), count) for count in range(self.differ + 1))
        return [sum(1 << bit for bit in chosen) for few in some for chosen in few]


def close_pairs(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """All pairs (i, j) such that hashes[i] and others[j] are within a Hamming distance, each once, in no useful order.

    Args:
        hashes, others: uint64 (n,) and (m,).
        distance: bits, 0..63.

    Yields:
        int (pairs, 2), at most BLOCK unless a single hash has more.
    """
    hashes, others = _spread(hashes), _spread(others)
    bands = bands_for(len(others), distance)
    for number, band in enumerate(bands):
        of_hashes, of_others = band.of(hashes), band.of(others)
        rows, columns = (np.argsort(key, kind="stable") for key in (of_hashes, of_others))  # lookups near one another
        key, sorted_hashes, sorted_others = of_hashes[rows], hashes[rows], others[columns]
        begins = np.concatenate([[0], np.cumsum(np.bincount(of_others, minlength=2**band.bits))])
        for flip in band.flips():
            for left, right in _candidates(begins[key ^ flip], begins[(key ^ flip) + 1]):
                differing = sorted_hashes[left] ^ sorted_others[right]
                close = np.flatnonzero(np.bitwise_count(differing) <= distance)
                for earlier in bands[:number]:  # which have found some of these already
                    close = close[np.bitwise_count(earlier.of(differing[close])) > earlier.differ]
                yield np.stack([rows[left[close]], columns[right[close]]], axis=1)


def bands_for(count: int, distance: int) -> list[Band]:
    """The bands with the fewest lookups and comparisons among `count` hashes.

    Two hashes within `distance` differ in some band by at most its `differ` bits: the sum of (differ + 1) over all
    bands is more than `distance`.
    """

    def work(bands: list[Band]) -> float:
        """Lookups, and the hashes that they find, for every hash."""
        return sum(len(band.flips()) * (1 + count / 2**band.bits) for band in bands)

    fewest = -(-BITS // WIDEST)
    return min((_cut(number, distance) for number in range(fewest, max(fewest, distance + 1) + 1)), key=work)


def _cut(number: int, distance: int) -> list[Band]:
    """Bands of about equal width; bands that may not differ at all and are not needed are left out."""
    edges = np.linspace(0, BITS, number + 1).astype(int).tolist()
    least, more = divmod(distance + 1, number)  # the sum of differ + 1 is distance + 1
    allowed = [least + (place < more) - 1 for place in range(number)]
    cut = zip(edges, edges[1:], allowed, strict=False)
    return [Band(low, high - low, differ) for low, high, differ in cut if differ >= 0]


def _candidates(begin: np.ndarray, end: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every i with every j in begin[i]..end[i], as two arrays, BLOCK pairs or one i at a time."""
    filled = np.flatnonzero(end > begin)
    counts = (end - begin)[filled]
    ends = np.cumsum(counts)
    start = 0
    while start < len(filled):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + BLOCK, side="right")))
        piece, many = filled[start:stop], counts[start:stop]
        within = np.arange(ends[stop - 1] - done) - np.repeat(ends[start:stop] - many - done, many)
        yield np.repeat(piece, many), np.repeat(begin[piece], many) + within
        start = stop


def _spread(hashes: np.ndarray) -> np.ndarray:
    """The hashes with their bits in another order, which changes no distance."""
    bits = np.unpackbits(hashes.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1)
    return np.ascontiguousarray(np.packbits(bits[:, SPREAD], axis=1)).view("<u8").ravel().astype(np.uint64)
