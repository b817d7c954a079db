"""Group-aware splits: units of images that must not be separated, folds of a target, pools of a dataset."""

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.store.errors import InputError
from pipeline.store.words import MOST, listed

PARTS = 20  # equal parts of a dataset, distributed to its pools: shares are accurate to about 1/20


def units(group: pd.Series, cluster: pd.Series) -> np.ndarray:
    """Units that a split must not separate: connected components of images that share a cluster or a group.

    Args:
        group: (n,) names.
        cluster: (n,) of near-duplicates.

    Returns:
        str (n,): "u" and the position of the unit's first image.
    """
    groups, clusters = pd.factorize(group)[0], pd.factorize(cluster)[0]
    groups += clusters.max() + 1
    first = component_firsts(clusters, groups, groups.max() + 1, clusters)
    return np.array([f"u{position}" for position in first], dtype=object)


def component_firsts(left: np.ndarray, right: np.ndarray, size: int, nodes: np.ndarray) -> np.ndarray:
    """For every node, the first position in `nodes` of a node of its connected component.

    Args:
        left, right: int (edges,), the ends of the edges.
        size: number of nodes of the graph.
        nodes: int (n,), the nodes asked for.

    Returns:
        int (n,).
    """
    edges = coo_array((np.ones(len(left)), (left, right)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][nodes]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return first[inverse]


def assign_folds(labels: np.ndarray, unit: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Stratified folds, int (n,) in 0..folds-1, that do not separate units.

    Raises:
        InputError: there is one class only, or fewer images of a class, or fewer units, than folds.
    """
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    rarest = sorted(counts, key=lambda name: counts[name])  # first, since a long list is cut
    shown = listed(f"{name}: {counts[name]}" for name in (rarest if len(counts) > MOST else counts))
    if len(counts) < 2:
        raise InputError(f"At least two classes are needed, received one ({shown}).")
    if min(counts.values()) < folds or len(np.unique(unit)) < folds:
        raise InputError(
            f"{folds} parts need at least {folds} images of every class and {folds} groups; received {shown} "
            f"in {len(np.unique(unit))} groups."
        )
    return _parts(labels, unit, folds, seed)


def assign_pools(labels: pd.DataFrame, unit: np.ndarray, pools: dict[str, float], seed: int) -> np.ndarray:
    """Split a dataset into named pools that do not separate units, stratified by all label columns jointly.

    The order of the names in `pools` does not matter.

    Args:
        labels: (n, columns).
        unit: (n,) names.
        pools: shares that sum to one.

    Returns:
        str (n,): names of pools; "" if there are none.

    Raises:
        InputError: a pool would lack a class of a label column.
    """
    if not pools:
        return np.full(len(labels), "", dtype=object)
    joint = labels.astype(str).agg("\x1f".join, axis=1).to_numpy()
    part = _parts(joint, unit, min(PARTS, len(np.unique(unit))), seed)
    sizes = np.bincount(part)
    middle = (np.cumsum(sizes) - sizes / 2) / len(labels)  # centre of each part on 0..1, parts laid end to end
    names = np.array(sorted(pools), dtype=object)
    ends = np.cumsum([pools[name] for name in names])
    pool = names[np.minimum(np.searchsorted(ends, middle), len(names) - 1)][part]
    for name in pools:
        for column in labels:
            absent = sorted(set(labels[column]) - set(labels[column][pool == name]))
            if absent:
                raise InputError(
                    f"Pool '{name}' has no image of {column} {listed(absent)}: groups cannot be split to "
                    "fill these pools. Give it a larger share in `pools`, or use finer groups."
                )
    return pool


def _parts(labels: np.ndarray, unit: np.ndarray, parts: int, seed: int) -> np.ndarray:
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    result = np.empty(len(labels), int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # the callers check classes
        for number, (_, chosen) in enumerate(splitter.split(labels, labels, unit)):
            result[chosen] = number
    return result
