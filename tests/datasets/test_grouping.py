"""Splits do not separate units, and pools get their shares."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.grouping import assign_pools, units
from pipeline.datasets.selection import select
from pipeline.store.errors import InputError


def test_chains_of_clusters_and_groups_are_one_unit():
    """0 and 1 share a group, 1 and 2 a cluster, 2 and 3 a group; 4 stands alone."""
    found = units(pd.Series(["g", "g", "h", "h", "i"]), pd.Series([0, 1, 1, 3, 4]))
    assert found.tolist() == ["u0"] * 4 + ["u4"]


@given(seed=st.integers(0, 999))
def test_units_are_the_components_of_a_brute_force_search(seed):
    rng = np.random.default_rng(seed)
    group, cluster = rng.integers(0, 9, 14), rng.integers(0, 9, 14)
    expected = np.arange(14)
    for _ in range(14):  # spread the smallest position until nothing changes
        for names in (group, cluster):
            for name in names:
                expected[names == name] = expected[names == name].min()
    assert units(pd.Series(group), pd.Series(cluster)).tolist() == [f"u{position}" for position in expected]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), share=st.sampled_from([0.3, 0.5, 0.7]))
@pytest.mark.slow
def test_pools_keep_units_whole_and_meet_their_shares(seed, share):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(100), 4).astype(str)
    labels = pd.DataFrame({"one": rng.choice(["a", "b"], 400), "other": rng.choice(["x", "y", "z"], 400)})
    pool = assign_pools(labels, unit, {"source": share, "target": 1 - share}, seed)
    assert (pd.Series(pool).groupby(unit).nunique() == 1).all()
    assert abs((pool == "source").mean() - share) < 0.06
    parts = pd.crosstab(labels["one"], pool, normalize="columns")
    assert (abs(parts["source"] - parts["target"]) < 0.15).all()
    assert (pool == assign_pools(labels, unit, {"source": share, "target": 1 - share}, seed)).all()
    assert (pool == assign_pools(labels, unit, {"target": 1 - share, "source": share}, seed)).all()


def test_without_pools_every_image_is_in_the_unnamed_one():
    assert set(assign_pools(pd.DataFrame({"one": ["a", "b"]}), np.array(["u", "v"]), {}, 0)) == {""}


def test_a_pool_that_would_lack_a_class_is_refused():
    labels = pd.DataFrame({"one": ["a"] * 10 + ["b"] * 10})
    unit = np.array(["u"] * 10 + ["v"] * 10)
    with pytest.raises(InputError, match=r"Pool 'source' has no image of one (a|b)"):
        assign_pools(labels, unit, {"source": 0.5, "target": 0.5}, 0)


def test_selecting_by_label_and_pool():
    table = pd.DataFrame({"row": range(4), "kind": ["x", "y", "x", "y"], "pool": ["p", "p", "q", "q"]})
    assert select(table, {}, None, "it")["row"].tolist() == [0, 1, 2, 3]
    assert select(table, {"kind": "x"}, "q", "it")["row"].tolist() == [2]
    with pytest.raises(InputError, match=r"\{'kind': 'z', 'pool': 'q'\}, as it asks"):
        select(table, {"kind": "z"}, "q", "it")
