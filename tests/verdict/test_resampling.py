"""The bootstrap against loops, closed forms and its own symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from pipeline.verdict import resampling
from pipeline.verdict.metrics import METRICS
from pipeline.verdict.pairs import UndefinedGain, fold_gains, pair, point_gain
from pipeline.verdict.resampling import bootstrap_gain

from .worlds import columns, pairs

FEW = {"resamples": 200, "seed": 3}


def numbers(found):
    return [found.gain, found.ci_low, found.ci_high, found.standard_error, found.probability_positive]


@pytest.mark.parametrize("metric", METRICS)
def test_vectorised_bootstrap_equals_a_loop(metric):
    """The same counts, but images repeated one by one and measured by scikit-learn."""
    data = pairs(n=120, groups=9)
    found = bootstrap_gain(data, metric, resamples=30, seed=5, ignore_folds=True)
    unit, strata, _ = resampling.units_of(data, ignore_groups=False)
    counts = resampling._draw(strata, 30, np.random.default_rng(5))
    sign = 1 if METRICS[metric].higher_is_better else -1
    loop = []
    for row in counts:
        one, two = (METRICS[metric](data.labels, arm, data.weights * row[unit]) for arm in data.arms())
        loop += [sign * (one - two)] * 2
    np.testing.assert_allclose(found.samples, np.sort(loop), atol=1e-12)


def test_chunks_do_not_change_what_a_resample_is(monkeypatch):
    data = pairs()
    one = bootstrap_gain(data, "accuracy", resamples=4_000, seed=0)
    monkeypatch.setattr(resampling, "CHUNK_FLOATS", 300 * 50)
    many = bootstrap_gain(data, "accuracy", resamples=4_000, seed=0)
    assert many.standard_error == pytest.approx(one.standard_error, rel=0.05)


def test_draws_keep_the_size_of_every_stratum():
    strata = np.array([0, 0, 0, 1, 1, 2])
    counts = resampling._draw(strata, 50, np.random.default_rng(0))
    for stratum, size in ((0, 3), (1, 2), (2, 1)):
        np.testing.assert_allclose(counts[:, strata == stratum].sum(1), size)


def test_group_spread_is_the_closed_form_of_cluster_sampling():
    """Equal groups: the variance of a mean over folds is that of group means, unbiased, in each fold."""
    rng = np.random.default_rng(0)
    fold, group = np.repeat([0, 1], 300), np.repeat(np.arange(20), 30)
    right = rng.uniform(size=600) < rng.uniform(0.3, 1, size=20)[group]
    labels = np.arange(600) % 2
    arm = np.eye(2)[np.where(right, labels, 1 - labels)]
    found = bootstrap_gain(
        pair(labels, arm, np.eye(2)[1 - labels], fold, group), "accuracy", resamples=20_000, seed=1, ignore_folds=True
    )
    means = right.reshape(20, 30).mean(1).reshape(2, 10)
    expected = np.sqrt((means.var(axis=1, ddof=1) / 10).sum() / 4)
    assert found.samples.std() == pytest.approx(expected, rel=0.03)


def test_no_gain_is_larger_than_the_metric_allows():
    data = columns(n=600, groups=60)
    data["transfer"] = np.eye(2)[np.where(data["fold"] == 0, data["labels"], 1 - data["labels"])]  # all right or wrong
    whole = bootstrap_gain(pair(**data), "accuracy", seed=1, resamples=2_000)
    assert -1 == whole.samples.min() <= whole.ci_low < whole.ci_high <= whole.samples.max() <= 1
    assert np.abs(bootstrap_gain(pair(**data), "log_loss", seed=1, resamples=2_000).samples).max() > 1


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_and_the_standard_error_are_those_of_the_samples(alpha):
    found = bootstrap_gain(pairs(), "accuracy", seed=3, resamples=2_000, alpha=alpha)
    low, high = np.quantile(found.samples, [alpha / 2, 1 - alpha / 2])
    assert (found.ci_low, found.ci_high) == (low, high)
    assert found.standard_error * 2 * norm.ppf(1 - alpha / 2) == pytest.approx(high - low)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_of_images_alone_is_that_of_scipy(alpha):
    data = columns(n=400, gain=0.2)
    data |= {"group": np.arange(400), "fold": np.zeros(400)}
    found = bootstrap_gain(pair(**data), "accuracy", seed=3, resamples=20_000, alpha=alpha, ignore_folds=True)
    right = [data[arm].argmax(1) == data["labels"] for arm in ("transfer", "baseline")]
    difference = (right[0].astype(float) - right[1],)
    expected = bootstrap(
        difference, np.mean, n_resamples=20_000, confidence_level=1 - alpha, method="percentile", rng=1
    ).confidence_interval
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_folds_that_disagree_widen_the_interval():
    """The control inside the test: the same images, but the transfer's seed effect differs by fold."""
    even, odd = columns(seed=1), columns(seed=1)
    lost = odd["fold"] == 0
    odd["transfer"][lost] = 1 - odd["transfer"][lost]
    widening = []
    for data in (even, odd):
        whole, naive = (bootstrap_gain(pair(**data), "accuracy", ignore_folds=i, **FEW) for i in (False, True))
        widening.append(whole.standard_error / naive.standard_error)
    assert 1 < widening[0] < 2
    assert widening[1] > 3


def test_groups_matter_and_can_be_ignored():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(12), 50)
    labels = np.arange(600) % 2
    right = np.repeat(rng.uniform(size=12) < 0.5, 50)  # a whole group is right or wrong
    data = pair(labels, np.eye(2)[np.where(right, labels, 1 - labels)], np.eye(2)[1 - labels], group % 3, group)
    grouped, naive = (
        bootstrap_gain(data, "accuracy", ignore_groups=i, ignore_folds=True, **FEW) for i in (False, True)
    )
    assert grouped.standard_error > 4 * naive.standard_error
    assert (grouped.units, naive.units) == (12, 600)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(METRICS)), st.integers(2, 3), st.booleans())
def test_swapping_the_arms_mirrors_everything(seed, metric, k, nested):
    data = columns(n=90, k=k, seed=seed, nested=nested)
    swapped = {**data, "transfer": data["baseline"], "baseline": data["transfer"]}
    one, two = (bootstrap_gain(pair(**c), metric, **FEW) for c in (data, swapped))
    gain, low, high, error, positive = numbers(one)
    np.testing.assert_allclose(numbers(two), [-gain, -high, -low, error, 1 - positive], atol=1e-9)
    np.testing.assert_allclose(two.samples, -one.samples[::-1], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(METRICS)), st.booleans())
def test_permuting_rows_changes_nothing(seed, metric, nested):
    data = columns(n=90, seed=seed, nested=nested)
    order = np.random.default_rng(seed).permutation(90)
    one, two = (bootstrap_gain(pair(**c), metric, **FEW) for c in (data, {n: x[order] for n, x in data.items()}))
    assert one == two
    np.testing.assert_array_equal(one.samples, two.samples)


def test_seed_decides():
    data = pairs()
    assert bootstrap_gain(data, "accuracy", **FEW) == bootstrap_gain(data, "accuracy", **FEW)
    assert bootstrap_gain(data, "accuracy", **FEW) != bootstrap_gain(data, "accuracy", resamples=200, seed=4)


def test_gains_are_those_of_scikit_learn():
    data = pairs(nested=False)
    found = bootstrap_gain(data, "macro_f1", **FEW)
    assert found.gain == pytest.approx(point_gain(data, "macro_f1"), abs=1e-12)
    np.testing.assert_allclose(found.fold_gains, fold_gains(data, "macro_f1"), atol=1e-12)


def test_a_fold_of_one_group_resamples_its_images_and_says_so():
    data = columns(groups=5)  # folds of 2, 2 and 1 groups
    found = bootstrap_gain(pair(**data), "accuracy", **FEW)
    assert found.units == 4 + np.sum(data["group"] == 2)
    assert "single group" in found.notes[0]


def test_repeated_seeds_share_the_draw_of_their_groups():
    data = columns()
    twice = {name: np.concatenate([x, x]) for name, x in data.items() if name != "fold"}
    twice["fold"] = np.array([f"seed{s}-{f}" for s in (0, 1) for f in data["fold"]])
    one, two = (bootstrap_gain(pair(**c), "accuracy", ignore_folds=True, **FEW) for c in (data, twice))
    assert two.standard_error == pytest.approx(one.standard_error, rel=0.2)  # copies are no evidence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fold": np.zeros(300)}, "at least two"),
        ({"group": np.zeros(300)}, "fewer than 2 groups"),
        ({"transfer": columns()["baseline"]}, "same gain"),
        ({"weights": np.zeros(300)}, "no image"),
    ],
)
def test_no_spread_no_interval(change, words):
    with pytest.raises(UndefinedGain, match=words):
        bootstrap_gain(pair(**{**columns(), **change}), "balanced_accuracy", **FEW)


def test_rare_class_is_noted_then_withheld():
    data = columns(n=300, groups=30)
    labels = np.zeros(300, int)
    labels[np.flatnonzero(data["group"] == 3)[0]] = 1
    with pytest.raises(UndefinedGain):
        bootstrap_gain(pair(**{**data, "labels": labels}), "roc_auc", ignore_folds=True, **FEW)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.full(300, 2)},
        {"fold": np.zeros(299)},
        {"transfer": np.full((300, 2), np.nan)},
        {"weights": np.full(300, -1.0)},
        {"baseline": np.ones((300, 3)) / 3},
    ],
)
def test_unusable_predictions_are_refused(change):
    with pytest.raises(ValueError, match="must"):
        pair(**{**columns(), **change})
