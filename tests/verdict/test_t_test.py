"""The crossed variance against loops over every sum, closed forms, SciPy, and its own symmetries."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from pipeline.verdict.metrics import METRICS
from pipeline.verdict.pairs import UndefinedGain, pair
from pipeline.verdict.t_test import _seed_variance, estimate
from pipeline.verdict.trainings import Trainings, defined, gains

from .worlds import columns, pairs

NAMES = ("groups_variance", "groups_degrees", "training_variance", "seed_variance", "redrawn_variance")


def by_loops(data):
    """The formulas for balanced accuracy, one sum at a time, from the hits of both arms. No group is split."""
    hits = [(arm.argmax(1) == data.labels).astype(float) for arm in data.arms()]
    repeats, groups = int(data.repeat.max()) + 1, int(data.group.max()) + 1
    deltas, shares, first, counts = {}, {}, {}, np.zeros((repeats, groups))
    training_of = np.zeros((repeats, groups), int)
    for r in range(repeats):
        for j in np.unique(data.fold[data.repeat == r]):
            rows = data.fold == j
            present = np.unique(data.labels[rows])
            members = np.unique(data.group[rows])
            share = data.weights[rows].sum() / data.weights[data.repeat == r].sum()
            d_jc = {}
            for c in present:
                of = rows & (data.labels == c)
                d_jc[c] = (data.weights * (hits[0] - hits[1]))[of].sum() / data.weights[of].sum()
            deltas[j], shares[j] = np.mean(list(d_jc.values())), share
            for g in members:
                training_of[r, g] = j
                total = 0.0
                for c in present:
                    of = rows & (data.labels == c)
                    mine = of & (data.group == g)
                    n_gc, n_jc = data.weights[mine].sum(), data.weights[of].sum()
                    d_gc = (data.weights * (hits[0] - hits[1]))[mine].sum()
                    total += (d_gc - n_gc * d_jc[c]) / n_jc
                    counts[r, g] += share / len(present) * n_gc / n_jc
                first[r, g] = np.sqrt(len(members) / (len(members) - 1)) * share / len(present) * total
    gain = np.mean([sum(shares[j] * deltas[j] for j in set(training_of[r])) for r in range(repeats)])
    w = counts.mean(0)
    z = np.array(
        [[first[r, g] + w[g] * (deltas[training_of[r, g]] - gain) for g in range(groups)] for r in range(repeats)]
    )
    zbar = z.mean(0)
    by_groups = groups / (groups - 1) * sum((zbar - zbar.mean()) ** 2)
    above = below = plain = 0.0
    for r in range(repeats):
        for g in range(groups):
            for h in range(groups):
                if g != h and training_of[r, g] == training_of[r, h]:
                    t_gh = sum(training_of[q, g] == training_of[q, h] for q in range(repeats))
                    above += (z[r, g] - zbar[g]) * (z[r, h] - zbar[h])
                    below += w[g] * w[h] * (1 - 2 / repeats + t_gh / repeats**2)
                    plain += w[g] * w[h]
    seed = above / below
    by_trainings = max(0, seed) / repeats**2 * plain
    nu_g = sum(w**2) ** 2 / sum(w**4) - 1
    trainings = len(deltas)
    nu = (by_groups + by_trainings) ** 2 / (by_groups**2 / nu_g + by_trainings**2 / (trainings - repeats))
    redrawn = sum(z.var(0, ddof=1))
    return (
        gain,
        np.sqrt(by_groups + by_trainings),
        min(nu, trainings - 1),
        (by_groups, nu_g, by_trainings, seed, redrawn),
    )


@pytest.mark.parametrize("repeats", [2, 3, 5])
@pytest.mark.parametrize("folds", [2, 3])
@pytest.mark.parametrize("k", [2, 4])
def test_it_equals_loops_over_every_sum(repeats, folds, k):
    signs = set()
    for seed in range(6):
        table = columns(n=90, k=k, folds=folds, groups=9, repeats=repeats, seed=seed)
        perfect = (table["fold"] == 0) & (seed % 2 == 1)  # of odd seeds one training is far better than the others
        table["transfer"] = np.where(perfect[:, None], np.eye(k)[table["labels"]], table["transfer"])
        data = pair(**table)
        found = estimate(gains(data, "balanced_accuracy"))
        gain, error, nu, parts = by_loops(data)
        assert (found.value, found.standard_error, found.degrees) == pytest.approx((gain, error, nu))
        assert [getattr(found.components, name) for name in NAMES] == pytest.approx(parts, rel=1e-6, abs=1e-12)
        lasting = max(0, parts[0] - parts[4] / repeats)
        assert found.components.lasting_variance == pytest.approx(lasting)
        signs.add(bool(parts[3] > 0))
    assert signs == {True, False}  # V_l is tested where it is 0 and where it is not


def test_groups_split_between_folds_equal_loops_over_pairs():
    """The expectation of products that the seed variance is divided by, from a training's luck spread over groups."""
    found = gains(pairs(n=60, groups=6, nested=False, repeats=3), "accuracy")
    p, repeats = found.members, found.repeats
    assert ((p > 0) & (p < 1)).any()
    w = found.shares @ found.counts / repeats
    j, g = p.shape
    luck = np.eye(j)[:, None, :] * (w * p)[:, :, None]  # (J, G, J): what x_jg takes of the luck of each training
    left = luck - p[:, :, None] * luck.sum(0)[None] / repeats
    expected = sum(left[a, b] @ left[a, c] for a in range(j) for b in range(g) for c in range(g) if b != c)
    x = np.random.default_rng(0).normal(size=(j, g))
    above = sum(x[a, b] * x[a, c] for a in range(j) for b in range(g) for c in range(g) if b != c)
    assert _seed_variance(x, p, w, repeats) == pytest.approx(above / expected)


def balanced(rng, groups, folds, repeats, lasting, redrawn, seed):
    """Two-way random effects on equal groups: y_rg = a_g + e_rg + b_j, as the trainings of a mean of groups."""
    m = groups // folds
    a = lasting * rng.standard_normal(groups)
    members, values, influences = [], [], []
    for _ in range(repeats):
        dealt = rng.permutation(groups).reshape(folds, m)
        y = a + redrawn * rng.standard_normal(groups)
        for of in dealt:
            inside = np.isin(np.arange(groups), of)
            luck = seed * rng.standard_normal()
            values.append(y[of].mean() + luck)
            influences.append(np.where(inside, (y - y[of].mean()) / m, 0.0))
            members.append(inside)
    members = np.array(members, float)
    shares, repeat = np.full(folds * repeats, 1 / folds), np.repeat(np.arange(repeats), folds)
    return Trainings(np.array(values), np.array(influences), members / m, members, shares, repeat)


GROUPS, FOLDS, REPEATS = 18, 3, 4
M, J = GROUPS // FOLDS, FOLDS * REPEATS
LASTING = (np.sqrt((M - 1) / M) + 1 / M) ** 2  # a group is part of the mean of its training in every repeat


@pytest.mark.parametrize(
    ("lasting", "redrawn", "seed", "low", "high"),
    [
        (0.0, 1.0, 0.0, 1, 1),  # unbiased
        (1.0, 0.0, 0.0, 1, LASTING),  # on the safe side, by 16 % of the variance with 6 groups a training
        (0.0, 0.0, 1.0, 1 - 1 / J, 1),  # the mean gain is estimated from as many trainings
        (0.5, 1.0, 0.5, 1 - 1 / J, LASTING),
    ],
)
def test_its_expectation_is_the_variance_of_a_balanced_design(lasting, redrawn, seed, low, high):
    """Var = a^2 / G + e^2 / (G R) + b^2 / (K R), before what is negative is cut to 0."""
    rng, uncut = np.random.default_rng(0), []
    spread = (1 - FOLDS / GROUPS) / J  # what V_l is of sigma_b^2
    for _ in range(600):
        parts = estimate(balanced(rng, GROUPS, FOLDS, REPEATS, lasting, redrawn, seed)).components
        uncut.append(parts.groups_variance + parts.seed_variance * spread)
        assert parts.training_variance == pytest.approx(max(0, parts.seed_variance) * spread)
    true = lasting**2 / GROUPS + redrawn**2 / (GROUPS * REPEATS) + seed**2 / J
    assert 0.95 * low < np.mean(uncut) / true < 1.05 * high


def test_its_components_tell_lasting_from_redrawn_effects():
    rng = np.random.default_rng(1)

    def mean(of, lasting, redrawn):
        found = [estimate(balanced(rng, GROUPS, FOLDS, REPEATS, lasting, redrawn, 0.0)).components for _ in range(200)]
        return np.mean([getattr(parts, of) for parts in found])

    assert 0.95 < mean("lasting_variance", 1.0, 0.0) * GROUPS < 1.05 * LASTING
    assert mean("redrawn_variance", 0.0, 1.0) * GROUPS == pytest.approx(1 + 1 / M, rel=0.05)
    assert mean("lasting_variance", 0.0, 1.0) < 0.2 * mean("redrawn_variance", 0.0, 1.0)


@given(values=st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_one_repeat_is_students_t_over_folds(values):
    values, count = np.array(values), len(values)
    if np.ptp(values) < 1e-6:
        return
    eye = np.eye(count)
    trainings = Trainings(values, 0 * eye, eye, eye, np.full(count, 1 / count), np.zeros(count, int))
    found, scipys = estimate(trainings), ttest_1samp(values, 0.0)
    assert (found.value, found.p, found.degrees) == pytest.approx((values.mean(), scipys.pvalue, count - 1), abs=1e-12)
    assert found.interval(0.05) == pytest.approx(tuple(scipys.confidence_interval(0.95)))
    assert found.components is None and (found.scores**2).sum() == pytest.approx(found.standard_error**2)


def test_interval_and_p_are_those_of_student():
    found = estimate(gains(pairs(repeats=3), "macro_f1"))
    low, high = found.interval(0.02)
    scipys = student(found.degrees, found.value, found.standard_error)
    assert (low, high) == pytest.approx(scipys.interval(0.98))
    assert found.p == pytest.approx(2 * min(scipys.cdf(0), scipys.sf(0)))
    for level in (found.p * 0.999, found.p * 1.001):  # the interval leaves out 0 exactly where p < level
        low, high = found.interval(level)
        assert (low <= 0 <= high) == (found.p > level)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(list(METRICS)), nested=st.booleans())
def test_rows_may_be_permuted_and_groups_trainings_and_repeats_renamed(seed, metric, nested):
    data, rng = columns(n=60, groups=8, seed=seed, nested=nested, repeats=3), np.random.default_rng(seed)
    order = rng.permutation(180)
    renamed = {"group": rng.permutation(8)[data["group"]], "fold": rng.permutation(9)[data["fold"]],
               "repeat": rng.permutation(3)[data["repeat"]]}  # fmt: skip
    one, two = (
        estimate(gains(pair(**{name: column[order] for name, column in (data | new).items()}), metric))
        for new in ({}, renamed)
    )
    assert (two.value, two.standard_error, two.degrees) == pytest.approx((one.value, one.standard_error, one.degrees))
    assert astuple(two.components) == pytest.approx(astuple(one.components), abs=1e-12)
    assert estimate(gains(pair(**data), metric)) == one  # exactly


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(list(METRICS)), repeats=st.integers(1, 3))
def test_swapping_the_arms_mirrors_the_interval(seed, metric, repeats):
    data = columns(n=60, seed=seed, repeats=repeats)
    one = estimate(gains(pair(**data), metric))
    two = estimate(gains(pair(**data | {"transfer": data["baseline"], "baseline": data["transfer"]}), metric))
    assert two.value == pytest.approx(-one.value) and two.p == pytest.approx(one.p)
    assert two.interval(0.05) == pytest.approx(tuple(-end for end in one.interval(0.05)[::-1]))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10))
def test_the_scale_of_weights_changes_nothing(seed, factor):
    data = columns(n=60, seed=seed)
    one, two = (estimate(gains(pair(**data | {"weights": data["weights"] * by}), "roc_auc")) for by in (1, factor))
    assert (two.value, two.standard_error) == pytest.approx((one.value, one.standard_error))


def test_an_image_of_weight_two_is_two_images():
    data = columns(n=60)
    twice = {name: np.concatenate([column, column]) for name, column in data.items() if name != "weights"}
    one = estimate(gains(pair(**data | {"weights": np.full(120, 2.0)}), "balanced_accuracy"))
    two = estimate(gains(pair(**twice), "balanced_accuracy"))
    assert (two.value, two.standard_error) == pytest.approx((one.value, one.standard_error))


def test_metrics_are_averaged_inside_trainings_and_never_pooled():
    """A shift of threshold in one training costs what it costs there."""
    data = pairs(n=300, repeats=2)
    found, values, weights = gains(data, "roc_auc"), [], []
    for j in np.unique(data.fold):
        rows = data.fold == j
        one, two = (METRICS["roc_auc"](data.labels[rows], arm[rows], data.weights[rows]) for arm in data.arms())
        values.append(one - two)
        weights.append(data.weights[rows].sum())
    assert found.values == pytest.approx(values)
    assert estimate(found).value == pytest.approx(np.average(values, weights=weights))


def test_trainings_without_a_value_are_left_out_and_told():
    found = gains(pairs(repeats=3), "accuracy")
    lacking = replace(found, values=np.where(np.arange(9) == 4, np.nan, found.values))
    result = estimate(lacking)
    shares = found.shares.copy()
    shares[3:6] = [shares[3], 0, shares[5]] / (shares[3] + shares[5])
    assert result.value == pytest.approx(np.nansum(shares * lacking.values) / 3)
    assert result.notes == ("1 of 9 trainings were left out: the metric is undefined there",)
    assert defined(lacking).shares.sum() == pytest.approx(3)
    whole = replace(found, values=np.where(found.repeat == 1, np.nan, found.values))
    assert estimate(whole).components.repeats == 2
    only = replace(found, values=np.where(found.repeat == 1, found.values, np.nan))
    assert estimate(only).components is None and estimate(only).degrees == 2


def test_the_area_of_a_training_without_a_class_is_left_out():
    data = columns(repeats=2)
    data["weights"] = np.where((data["fold"] == 1) & (data["labels"] == 1), 0.0, data["weights"])
    found = gains(pair(**data), "roc_auc")
    assert np.isnan(found.values).tolist() == [False, True, False, False, False, False]
    assert estimate(found).notes


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_allows_no_interval_says_why(repeats):
    found = gains(pairs(repeats=repeats, folds=2), "accuracy")
    one = replace(found, values=np.where(np.arange(2 * repeats) == 0, found.values, np.nan))
    with pytest.raises(UndefinedGain, match="at least two"):
        estimate(one)
    with pytest.raises(UndefinedGain, match="fewer than 2 groups"):
        estimate(gains(pair(**columns(repeats=repeats) | {"group": np.zeros(300 * repeats)}), "accuracy"))
    same = columns(repeats=repeats)
    with pytest.raises(UndefinedGain, match="same gain"):
        estimate(gains(pair(**same | {"transfer": same["baseline"]}), "accuracy"))


def test_one_repeat_with_groups_in_several_folds_is_told():
    for nested in (True, False):
        found = estimate(gains(pairs(repeats=1, nested=nested), "accuracy"))
        assert any("split between folds" in note for note in found.notes) != nested
    assert not estimate(gains(pairs(repeats=2, nested=False), "accuracy")).notes


def test_a_fold_may_hold_a_single_group():
    found = estimate(gains(pairs(groups=3, folds=3, repeats=2), "balanced_accuracy"))
    assert found.components.seed_variance == 0 and found.standard_error > 0


def test_a_training_in_two_repeats_is_refused():
    data = columns(repeats=2)
    with pytest.raises(ValueError, match="two repeats"):
        pair(**data | {"fold": data["fold"] % 3})
