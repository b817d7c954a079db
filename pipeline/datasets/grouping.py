"""What must stay together, and divisions that keep it so: folds of a target, pools of a dataset."""

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.store.errors import InputError

PARTS = 20  # that a dataset is cut into before they are dealt out to its pools: shares are met to about a twentieth


def units(group: pd.Series, cluster: pd.Series) -> np.ndarray:
    """What must not be divided: two images belong to one unit when a chain of shared clusters and groups joins them.

    Args:
        group: (n,) names. cluster: (n,) of near-duplicates.

    Returns:
        str (n,): "u" and the position of the unit's first image.
    """
    groups, clusters = pd.factorize(group)[0], pd.factorize(cluster)[0]
    groups += clusters.max() + 1
    size = groups.max() + 1
    joined = coo_array((np.ones(len(groups)), (clusters, groups)), shape=(size, size))
    component = connected_components(joined, directed=False)[1][clusters]
    first = np.unique(component, return_index=True)[1]
    names = {part: f"u{position}" for part, position in zip(np.unique(component), first, strict=True)}
    return np.array([names[part] for part in component], dtype=object)


def assign_folds(labels: np.ndarray, unit: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Stratified folds (n,) of 0..folds-1 that keep units whole.

    Raises:
        InputError: one class only, or a class or the units are fewer than the folds.
    """
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    shown = ", ".join(f"{name}: {count}" for name, count in counts.items())
    if len(counts) < 2:
        raise InputError(f"At least two classes are needed, received one ({shown}).")
    if min(counts.values()) < folds or len(np.unique(unit)) < folds:
        raise InputError(
            f"{folds} folds need at least {folds} images of every class and {folds} groups; received {shown} "
            f"in {len(np.unique(unit))} groups. Lower `run.folds`, or add images."
        )
    return _parts(labels, unit, folds, seed)


def assign_pools(labels: pd.DataFrame, unit: np.ndarray, pools: dict[str, float], seed: int) -> np.ndarray:
    """Divide a dataset into named pools by whole units, each with about its share of the images of every class.

    The order of the names in `pools` does not matter.

    Args:
        labels: (n, columns), stratified by all columns jointly. unit: (n,) names. pools: shares that sum to one.

    Returns:
        str (n,): names of pools; "" throughout where there are none.

    Raises:
        InputError: a pool would lack a class of some label.
    """
    if not pools:
        return np.full(len(labels), "", dtype=object)
    joint = labels.astype(str).agg("\x1f".join, axis=1).to_numpy()
    part = _parts(joint, unit, min(PARTS, len(np.unique(unit))), seed)
    sizes = np.bincount(part)
    middle = (np.cumsum(sizes) - sizes / 2) / len(labels)  # where each part lies when all are laid end to end
    names = np.array(sorted(pools), dtype=object)
    ends = np.cumsum([pools[name] for name in names])
    pool = names[np.minimum(np.searchsorted(ends, middle), len(names) - 1)][part]
    for name in pools:
        for column in labels:
            absent = sorted(set(labels[column]) - set(labels[column][pool == name]))
            if absent:
                raise InputError(
                    f"Pool '{name}' has no image of {column} {', '.join(absent)}: whole groups cannot be divided into "
                    f"these pools. Give it a larger share in `pools`, or use finer groups."
                )
    return pool


def _parts(labels: np.ndarray, unit: np.ndarray, parts: int, seed: int) -> np.ndarray:
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    result = np.empty(len(labels), int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # what is absent is refused above
        for number, (_, chosen) in enumerate(splitter.split(labels, labels, unit)):
            result[chosen] = number
    return result
