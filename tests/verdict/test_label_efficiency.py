"""Labels saved: against closed forms, brute force, and worlds in which the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import accuracy_score

from pipeline.verdict import arms as tables
from pipeline.verdict.label_efficiency import bounded, efficiency, estimates, joint_draws, monotone, times_the_labels
from pipeline.verdict.pairs import UndefinedGain
from pipeline.verdict.t_test import estimate

FRACTIONS = np.array([0.05, 0.1, 0.25, 0.5, 1.0])


def power_law(fractions, shift=1.0):
    """Quality 0.95 - 0.1 * (shift * fraction) ** -0.5: `shift` times the labels are worth as much."""
    return 0.95 - 0.1 * (shift * np.asarray(fractions)) ** -0.5


@settings(max_examples=20)
@given(shift=st.floats(1.0, 4.0), at=st.floats(0.06, 0.2))
def test_a_power_law_shifted_along_the_labels_is_the_shift(shift, at):
    dense = np.geomspace(0.05, 1, 60)
    found = times_the_labels(dense, power_law(dense)[None], np.array([power_law(at, shift)]), at)
    assert found == pytest.approx([shift], rel=1e-3)


@given(shift=st.floats(0.2, 20.0), place=st.integers(0, 4))
def test_a_curve_that_is_straight_over_the_logarithm_is_the_shift_exactly(shift, place):
    fraction = float(FRACTIONS[place])
    reached = 0.9 + 0.1 * np.log(shift * fraction)
    (found,) = times_the_labels(FRACTIONS, 0.9 + 0.1 * np.log(FRACTIONS)[None], np.array([reached]), fraction)
    if abs(shift * fraction - 1) < 1e-9 or abs(shift * fraction - 0.05) < 1e-9:
        return  # on the edge rounding decides
    expected = np.inf if shift * fraction > 1 else 0 if shift * fraction < 0.05 else shift
    assert found == pytest.approx(expected)


@given(seed=st.integers(0, 999))
def test_between_measured_shares_it_is_the_root_of_the_interpolated_curve(seed):
    rng = np.random.default_rng(seed)
    scratch = np.sort(rng.uniform(0.5, 0.9, 5))
    reached = rng.uniform(scratch[0] + 1e-6, scratch[-1] - 1e-6)
    root = brentq(lambda x: np.interp(x, np.log(FRACTIONS), scratch) - reached, np.log(0.05), 0, xtol=1e-14)
    found = times_the_labels(FRACTIONS, scratch[None], np.array([reached]), 0.1)
    assert found == pytest.approx([np.exp(root) / 0.1], rel=1e-6)


@given(scratch=st.lists(st.floats(0.3, 1), min_size=5, max_size=5), reached=st.floats(0.3, 1), more=st.floats(0, 0.2))
def test_a_better_transfer_never_needs_fewer_times_the_labels(scratch, reached, more):
    curves = np.array([scratch, scratch])
    low, high = times_the_labels(FRACTIONS, curves, np.array([reached, reached + more]), 0.25)
    assert low <= high * (1 + 1e-12)


@given(curves=st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=1, max_size=4))
def test_monotone_is_the_isotonic_regression_of_scikit_learn(curves):
    expected = np.array([isotonic_regression(np.array(row)) for row in curves])
    np.testing.assert_allclose(monotone(np.array(curves)), expected, atol=1e-9)


def test_a_curve_that_falls_is_made_monotone_first():
    scratch = np.array([[0.6, 0.8, 0.7, 0.9, 0.95]])  # 0.8 and 0.7 become 0.75 each
    found = times_the_labels(FRACTIONS, scratch, np.array([0.75]), 0.05)
    assert found == pytest.approx([2.0])


def test_outside_the_measured_shares_only_a_bound_is_known():
    scratch = np.linspace(0.6, 0.9, 5)[None].repeat(3, axis=0)
    found = times_the_labels(FRACTIONS, scratch, np.array([0.95, 0.5, 0.6]), 0.1)
    assert found.tolist() == [np.inf, 0.0, pytest.approx(0.5)]
    assert bounded(np.inf, 0.1, FRACTIONS) == {"value": 10.0, "side": "above"}
    assert bounded(0.0, 0.1, FRACTIONS) == {"value": 0.5, "side": "below"}
    assert bounded(2.5, 0.1, FRACTIONS) == {"value": 2.5, "side": "inside"}


# ---- on predictions --------------------------------------------------------------------------------------------------

IMAGES, REPEATS = 1500, 2
N = IMAGES * REPEATS


def world(seed=0, repeats=REPEATS, folds=3):
    rng = np.random.default_rng(seed)
    labels, group = rng.integers(0, 2, IMAGES), np.arange(IMAGES) // 5
    dealt = [(rng.permutation(IMAGES // 5) % folds)[group] + folds * r for r in range(repeats)]
    repeat = np.repeat(np.arange(repeats), IMAGES)
    labels, position, group = (np.tile(x, repeats) for x in (labels, np.arange(IMAGES), group))
    return tables.Tested(["a", "b"], labels, position, np.concatenate(dealt), repeat, group, np.ones(len(labels)))


def arm(tested, accuracy, seed):
    """Probabilities (n, 2) that are right about so often."""
    right = np.random.default_rng(seed).uniform(size=len(tested.labels)) < accuracy
    sure = np.where(right == (tested.labels == 1), 0.9, 0.1)
    return np.column_stack([1 - sure, sure])


def study(shift, repeats=REPEATS, **changes):
    """A transfer whose labels are worth `shift` times as much, on a curve that the measured shares interpolate well."""
    tested = world(repeats=repeats)
    arms = {
        "tuned": [arm(tested, power_law(f, shift), 10 + i) for i, f in enumerate(FRACTIONS)],
        "scratch": [arm(tested, power_law(f), 20 + i) for i, f in enumerate(FRACTIONS)],
    }
    options = {"metric": "accuracy", "alpha": 0.05, "seed": 1, "draws": 2_000} | changes
    return tested, arms, efficiency(tested, FRACTIONS.tolist(), arms, "scratch", **options)


@pytest.mark.parametrize("repeats", [1, 2])
def test_values_are_the_metrics_and_the_answer_lies_in_its_interval(repeats):
    tested, arms, found = study(3.0, repeats)
    for name, trainings in arms.items():
        expected = [accuracy_score(tested.labels, training.argmax(1)) for training in trainings]
        assert [row["value"] for row in found["curves"][name]] == pytest.approx(expected, abs=1e-3)  # unequal folds
        assert all(row["ci_low"] < row["value"] < row["ci_high"] for row in found["curves"][name])
    few = found["times"]["tuned"][1]
    assert few["ci_low"]["value"] < 3.0 < few["ci_high"]["value"] and few["value"]["side"] == "inside"
    assert few["value"]["value"] == pytest.approx(3.0, rel=0.4)
    assert found["times"]["tuned"][-1]["value"] == {"value": 1.0, "side": "above"} and found["reason"] is None


def test_it_repeats_and_does_not_depend_on_the_order_of_rows():
    tested, arms, found = study(2.0)
    assert study(2.0)[2] == found
    order = np.random.default_rng(3).permutation(N)
    columns = (tested.labels, tested.position, tested.fold, tested.repeat, tested.group, tested.weights)
    mixed = tables.Tested(tested.classes, *(x[order] for x in columns))
    shuffled = {name: [training[order] for training in trainings] for name, trainings in arms.items()}
    again = efficiency(
        mixed, FRACTIONS.tolist(), shuffled, "scratch", metric="accuracy", alpha=0.05, seed=1, draws=2_000
    )
    for name in arms:
        for one, other in zip(found["curves"][name], again["curves"][name], strict=True):
            assert one == pytest.approx(other)


def test_the_standard_error_is_that_of_a_share():
    """Images are independent, no seed variance: the standard error of a share of all tests."""
    tested = world()
    found = estimates(tested, [arm(tested, 0.8, seed) for seed in (1, 2, 3)], "accuracy")
    for each in found:
        assert 0.8 < each.standard_error / np.sqrt(0.8 * 0.2 / N) < 1.6


@pytest.mark.parametrize("repeats", [1, 2])
def test_draws_have_the_standard_errors_and_the_correlation_of_the_estimates(repeats):
    tested = world(repeats=repeats, folds=8)
    hard = np.random.default_rng(5).uniform(0.5, 1, IMAGES)[tested.position]
    trainings = [arm(tested, hard, seed) for seed in (1, 2)]
    trainings[1] = np.where((np.arange(len(hard)) % 2 == 0)[:, None], trainings[0], trainings[1])  # half in common
    found = estimates(tested, trainings, "accuracy")
    samples = joint_draws(found, 1.0, 40_000, np.random.default_rng(0))
    degrees = min(each.degrees for each in found)
    spread = np.sqrt(degrees / (degrees - 2)) * np.array([each.standard_error for each in found])
    assert samples.mean(0) == pytest.approx([each.value for each in found], abs=2e-3)
    assert samples.std(0) == pytest.approx(spread, rel=0.05)
    shared = found[0].scores @ found[1].scores / (found[0].standard_error * found[1].standard_error)
    assert np.corrcoef(samples.T)[0, 1] == pytest.approx(shared, abs=0.05) and shared > 0.2
    low, high = np.quantile(samples[:, 0], [0.025, 0.975])
    if degrees == found[0].degrees:
        assert (low, high) == pytest.approx(found[0].interval(0.05), abs=0.1 * found[0].standard_error)


def test_seed_variance_widens_the_spread_and_quality_ends_at_its_range():
    tested = world()
    steady, varying = (
        estimates(tested, [arm(tested, accuracy, 1)], "accuracy")[0]
        for accuracy in (0.8, np.array([0.7, 0.8, 0.9, 0.9, 0.7, 0.8])[tested.fold])
    )
    assert varying.standard_error > 2 * steady.standard_error
    samples = joint_draws([varying], 0.81, 500, np.random.default_rng(0))
    assert samples.max() == 0.81 and samples.min() >= 0


def test_intervals_are_the_quantiles_of_the_draws():
    alpha = 0.2
    _, arms, found = study(2.0, alpha=alpha)
    tested = world()
    trainings, levels = [training for by_share in arms.values() for training in by_share], [alpha / 2, 1 - alpha / 2]
    samples = joint_draws(estimates(tested, trainings, "accuracy"), 1.0, 2_000, np.random.default_rng(1))
    tuned, scratch = np.split(samples, 2, axis=1)
    for at, fraction in enumerate(FRACTIONS):
        row = found["curves"]["tuned"][at]
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(np.quantile(tuned[:, at], levels).tolist())
        ratios = np.sort(times_the_labels(FRACTIONS, scratch, tuned[:, at], fraction))
        ends = [bounded(ratios[int(np.ceil(level * len(ratios))) - 1], fraction, FRACTIONS) for level in levels]
        row = found["times"]["tuned"][at]
        assert [row["ci_low"], row["ci_high"]] == ends


def test_an_arm_that_is_always_right_has_no_spread():
    tested = world()
    perfect, other = np.eye(2)[tested.labels], arm(tested, 0.8, 1)
    found = estimates(tested, [perfect, other], "accuracy")
    assert (found[0].value, found[0].standard_error) == (pytest.approx(1), 0)
    assert found[1] == estimate(tables.within_trainings(tested, other, "accuracy"))
    assert (joint_draws(found, 1.0, 50, np.random.default_rng(0))[:, 0] > 1 - 1e-9).all()


def test_without_groups_there_are_values_and_a_reason_in_place_of_intervals():
    labels, fold = np.array([0, 1] * 5), np.arange(10) % 2
    tested = tables.Tested(["a", "b"], labels, np.arange(10), fold, np.zeros(10, int), np.zeros(10), np.ones(10))
    trainings = [np.eye(2)[tested.labels]] * 2
    with pytest.raises(UndefinedGain):
        estimates(tested, trainings, "accuracy")
    arms = {"head": trainings, "scratch": trainings}
    found = efficiency(tested, [0.5, 1.0], arms, "scratch", metric="accuracy", alpha=0.05, seed=1)
    assert "fewer than 2 groups" in found["reason"]
    assert found["curves"]["head"][0] == {"value": 1.0, "ci_low": None, "ci_high": None}
    assert found["times"]["head"][0] == {"value": {"value": 1.0, "side": "inside"}, "ci_low": None, "ci_high": None}
