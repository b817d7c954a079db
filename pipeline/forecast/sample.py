"""A part of many images that stands for all: scores take a matrix of distances, and gain little from more images."""

import numpy as np
import pandas as pd

from pipeline.forecast.score_inputs import Array

LEAST = 10  # images of a class that are drawn first, so that every fold trains on some


def stratified(labels: pd.Series, positions: Array, most: int, seed: int) -> Array:
    """At most `most` of positions (n,), ascending: by chance, LEAST of every class, then as large a share of each.

    Args:
        labels: str (n,), of these positions.
    """
    shuffled = np.random.default_rng(seed).permutation(len(positions))
    within = labels.iloc[shuffled].reset_index(drop=True)
    of_class = within.groupby(within)
    before = of_class.cumcount()  # of its class drawn before it
    share = before / of_class.transform("size")
    turn = np.lexsort((share, np.minimum(before, LEAST)))
    return np.sort(positions[shuffled[turn[:most]]])
