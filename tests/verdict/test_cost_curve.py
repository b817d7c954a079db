"""Cost to equal quality: a measurement on trajectories, held against brute force over every budget."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pipeline.verdict import arms as tables
from pipeline.verdict.cost_curve import cost_to_equal_quality, saving_curve
from pipeline.verdict.spending import Arm

PARTS, REPEATS, IMAGES = 2, 2, 24
FOLDS = PARTS * REPEATS  # trainings, by their number
TESTS = [[index // 2 % PARTS, PARTS + index // 12] for index in range(IMAGES)]  # the trainings that test each image
EXAMPLES = pd.DataFrame(
    {
        "image_id": [f"id{index}" for index in range(IMAGES)],
        "label": ["a" if index % 2 else "b" for index in range(IMAGES)],
        "group": "g",
        "weight": 1.0,
        **{f"role_{j}": ["test" if j in tests else "train" for tests in TESTS] for j in range(FOLDS)},
    }
)
TESTED = tables.tested_images(EXAMPLES)
EXTRACT = 6.0


def arm(rng, epochs, step, share_right):
    """An arm of four trainings that keeps some of `epochs`; an epoch costs `step` GFLOPs and 1 more at the end.

    share_right: function of the epoch, the chance of an image to be right.
    """
    rows, costs = [], []
    for fold in range(FOLDS):
        kept = [0, *sorted(rng.choice(np.arange(1, epochs + 1), size=rng.integers(1, epochs + 1), replace=False))]
        images = EXAMPLES[EXAMPLES[f"role_{fold}"] == "test"].assign(fold=fold)
        for epoch in kept:
            right = rng.uniform(size=len(images)) < share_right(epoch)
            sure = rng.uniform(0.51, 0.99, len(images))
            p_a = np.where(right == (images["label"] == "a"), sure, 1 - sure)
            table = images[["image_id", "fold", "label"]].assign(p_a=p_a, p_b=1 - p_a)
            rows.append(table.assign(epoch=epoch, images_seen=8 * epoch, gflops=epoch * step * (1 + fold / 10)))
        costs.append({"fold": fold, "gflops_chosen": float(rows[-1]["gflops"].iloc[0]) + 1.0})
    trajectory = pd.concat(rows, ignore_index=True)
    last = trajectory[trajectory["epoch"] == trajectory.groupby("fold")["epoch"].transform("max")]
    probabilities = tables.aligned(last.drop(columns=["epoch", "images_seen", "gflops"]), EXAMPLES, TESTED)
    return Arm(probabilities, {"folds": costs, "before_gflops": 0.0}, trajectory)


def world(seed, ceiling=0.9):
    rng = np.random.default_rng(seed)
    return {
        "head": arm(rng, 4, 0.5, lambda epoch: 0.4 + 0.05 * epoch),
        "tuned": arm(rng, 3, 5.0, lambda epoch: ceiling - 0.3 / (1 + epoch)),
        "scratch": arm(rng, 8, 7.0, lambda epoch: 0.8 - 0.4 / (1 + epoch)),
    }


def curve(arms, extract=EXTRACT, metric="balanced_accuracy", tested=TESTED, examples=EXAMPLES):
    side = {name: of for name, of in arms.items() if name != "scratch"}
    first = next(iter(side))
    paid = side | {first: replace(side[first], cost=side[first].cost | {"before_gflops": extract})}
    return saving_curve(tested, examples, paid, {"scratch": arms["scratch"]}, metric)


def costs(arms, extract=EXTRACT, metric="balanced_accuracy", tested=TESTED, examples=EXAMPLES):
    quality = tables.quality(tested, arms["scratch"].probabilities, metric)
    return cost_to_equal_quality(curve(arms, extract, metric, tested, examples), quality, metric)


def every_budget(trajectory):
    """For every budget that all folds have an epoch in: the sum of what the kept epochs cost, and their predictions."""
    for budget in sorted(trajectory["gflops"].unique()):
        budgets = dict.fromkeys(range(FOLDS), budget)
        within = trajectory[trajectory["gflops"] <= trajectory["fold"].map(budgets) * (1 + 1e-9)]
        if within["fold"].nunique() == FOLDS:
            yield within.groupby("fold")["gflops"].max().sum(), tables.at_budget(trajectory, budgets)


def in_trainings(chosen):
    """The quality inside each training; all test as many images."""
    right = (chosen["p_a"] > chosen["p_b"]) == (chosen["label"] == "a")
    recalls = right.groupby([chosen["fold"], chosen["label"]]).mean()
    return recalls.groupby(level=0).mean().tolist()


def quality_of(chosen):
    return np.mean(in_trainings(chosen))


def final_quality(found):
    right = pd.DataFrame({"fold": TESTED.fold, "label": TESTED.labels, "named": found.probabilities.argmax(1)})
    return np.mean([balanced_accuracy_score(part["label"], part["named"]) for _, part in right.groupby("fold")])


def brute_force(trajectory, quality):
    """Every budget, through `at_budget` and scikit-learn: the least sum of what the kept epochs cost."""
    return next((spent for spent, chosen in every_budget(trajectory) if quality_of(chosen) >= quality - 1e-12), None)


def in_a_row(arms, extract):
    """One trajectory of head and then tuned, each beginning where what came before it ended."""
    parts, before = [], pd.Series(extract / FOLDS, index=range(FOLDS))
    for number, name in enumerate(("head", "tuned")):
        table = arms[name].trajectory
        parts.append(
            table.assign(gflops=table["gflops"] + table["fold"].map(before), epoch=table["epoch"] + 100 * number)
        )
        before = before + [fold["gflops_chosen"] for fold in arms[name].cost["folds"]]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_brute_force_over_every_budget_finds(seed):
    arms = world(seed, ceiling=0.9 if seed % 2 else 0.6)
    quality = final_quality(arms["scratch"])
    expected = brute_force(in_a_row(arms, EXTRACT), quality)
    needed = brute_force(arms["scratch"].trajectory, quality)
    found = costs(arms)
    assert found["reached"] == (expected is not None)
    assert found["scratch_gflops"] == pytest.approx(needed)
    if expected is not None:
        assert found["gflops"] == pytest.approx(expected)
    assert found["ratio"] is None if needed == 0 else found["ratio"] == pytest.approx(found["gflops"] / needed)


def test_both_outcomes_occur_in_the_worlds_above():
    reached = [costs(world(seed, ceiling=0.9 if seed % 2 else 0.6))["reached"] for seed in range(8)]
    assert 0 < sum(reached) < 8


def test_never_reached_is_a_lower_bound_of_all_that_was_spent():
    arms = world(1, ceiling=0.3)
    arms["scratch"] = arm(np.random.default_rng(1), 8, 7.0, lambda epoch: 0.1 if epoch == 0 else 1.0)
    found = costs(arms)
    spent = 6.0 + sum(fold["gflops_chosen"] for name in ("head", "tuned") for fold in arms[name].cost["folds"])
    assert not found["reached"] and found["gflops"] == pytest.approx(spent)
    assert found["ratio"] == pytest.approx(spent / found["scratch_gflops"])


@pytest.mark.parametrize("seed", range(5))
def test_an_arm_against_itself_costs_the_same(seed):
    scratch = world(seed)["scratch"]
    found = costs({"head": scratch, "scratch": scratch}, 0.0)
    assert found["reached"] and found["ratio"] in (None, 1.0)
    assert found["gflops"] == found["scratch_gflops"]


def test_scratch_that_learnt_nothing_gives_no_ratio_but_a_reason():
    arms = world(3)
    arms["scratch"] = arm(np.random.default_rng(0), 4, 7.0, lambda epoch: 1.0 if epoch == 0 else 0.0)
    found = costs(arms)
    assert (found["ratio"], found["scratch_gflops"]) == (None, 0.0) and "before training" in found["reason"]


def test_an_undefined_metric_gives_a_reason():
    examples = EXAMPLES.assign(weight=np.where(EXAMPLES["label"] == "a", 1.0, 0.0))
    found = costs(world(0), metric="roc_auc", tested=tables.tested_images(examples), examples=examples)
    assert {key: value for key, value in found.items() if key != "reason"} == dict.fromkeys(
        ("gflops", "scratch_gflops", "ratio", "reached")
    )
    assert "roc_auc" in found["reason"]


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed):
    arms, rng = world(seed), np.random.default_rng(seed)
    shuffled = {
        name: replace(found, trajectory=found.trajectory.sample(frac=1, random_state=seed))
        for name, found in arms.items()
    }
    order = rng.permutation(IMAGES)
    tested = tables.tested_images(EXAMPLES.iloc[order])
    moved = np.lexsort([np.argsort(order)[TESTED.position], TESTED.fold])  # tests follow the order of the examples
    permuted = {name: replace(found, probabilities=found.probabilities[moved]) for name, found in shuffled.items()}
    found, expected = costs(permuted, tested=tested, examples=EXAMPLES.iloc[order]), costs(arms)
    assert found == {name: pytest.approx(value) if value else value for name, value in expected.items()}


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10))
def test_a_dearer_scratch_makes_the_ratio_smaller_in_proportion(seed, factor):
    arms = world(seed)
    before = costs(arms)
    scratch = arms["scratch"]
    dearer = scratch.trajectory.assign(gflops=scratch.trajectory["gflops"] * factor)
    after = costs(arms | {"scratch": replace(scratch, trajectory=dearer)})
    if before["ratio"] is not None:
        assert after["ratio"] == pytest.approx(before["ratio"] / factor)


# ---- the saving as a curve -------------------------------------------------------------------------------------------


def without_ends(rows):
    """The rows at which a fold handed in a later checkpoint: all but the last of each arm."""
    return rows[rows.duplicated("arm", keep="last")]


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_what_brute_force_finds_at_every_budget(seed):
    arms = world(seed)
    found = without_ends(curve(arms))
    for trajectory, rows in (
        (in_a_row(arms, EXTRACT), found[found["arm"] != "scratch"]),
        (arms["scratch"].trajectory, found[found["arm"] == "scratch"]),
    ):
        expected = []
        for spent, chosen in every_budget(trajectory):
            folds = in_trainings(chosen)
            expected.append([spent, quality_of(chosen), min(folds), max(folds)])
        np.testing.assert_allclose(rows[["gflops", "value", "low", "high"]], expected)


@pytest.mark.parametrize("seed", range(8))
def test_cost_to_equal_quality_stands_where_the_curve_first_reaches_scratch(seed):
    arms = world(seed, ceiling=0.9 if seed % 2 else 0.6)
    found, rows = costs(arms), curve(arms)
    quality = rows[rows["arm"] == "scratch"]["value"].iloc[-1] - 1e-12
    assert quality == pytest.approx(final_quality(arms["scratch"]))
    for own, key in ((rows["arm"] != "scratch", "gflops"), (rows["arm"] == "scratch", "scratch_gflops")):
        reached = rows[own & (rows["value"] >= quality)]
        if key == "gflops" and not found["reached"]:
            assert reached.empty and found[key] == pytest.approx(rows[own]["gflops"].iloc[-1])
        else:
            assert reached["gflops"].iloc[0] == found[key]


@pytest.mark.parametrize("seed", range(5))
def test_every_arm_begins_where_the_one_before_it_ended_and_reaches_the_end_of_its_spending(seed):
    arms = world(seed)
    rows, total = curve(arms), EXTRACT
    assert rows["arm"].drop_duplicates().tolist() == ["head", "tuned", "scratch"]
    for name in ("head", "tuned"):
        own = rows[rows["arm"] == name]
        assert own["gflops"].is_monotonic_increasing and own["gflops"].iloc[0] == pytest.approx(total)
        total += sum(fold["gflops_chosen"] for fold in arms[name].cost["folds"])
        assert own["gflops"].iloc[-1] == pytest.approx(total)
        final = final_quality(arms[name])
        assert own["value"].iloc[-1] == pytest.approx(final) or name == "head"  # a fold may have gone on to tuning
    assert rows[rows["arm"] == "scratch"]["gflops"].iloc[0] == 0


def test_arms_that_begin_from_nothing_have_curves_too():
    arms = {"again": world(1)["scratch"], "scratch": world(2)["scratch"]}
    rows = curve(arms, extract=0.0)
    assert rows.groupby("arm")["gflops"].min().tolist() == [0, 0]


def test_trainings_in_which_the_metric_is_undefined_are_left_out():
    other = EXAMPLES["role_0"] != "test"
    weight = np.where((EXAMPLES["label"] == "a") & other, 0.0, 1.0)  # training 1 has one class
    examples = EXAMPLES.assign(weight=weight)
    arms, tested = world(4), tables.tested_images(examples, repeats=1)
    rows = curve(arms, metric="roc_auc", tested=tested, examples=examples)
    last, fold = rows[rows["arm"] == "scratch"].iloc[-1], TESTED.fold == 0
    only = roc_auc_score(TESTED.labels[fold], arms["scratch"].probabilities[fold, 1])
    assert last[["value", "low", "high"]].tolist() == pytest.approx([only] * 3)


def test_repeats_that_are_not_tested_cost_nothing():
    arms, tested = world(4), tables.tested_images(EXAMPLES, repeats=1)
    kept = {name: replace(found, trajectory=found.trajectory[found.trajectory["fold"] < PARTS],
                          cost=found.cost | {"folds": found.cost["folds"][:PARTS]})
            for name, found in arms.items()}  # fmt: skip
    both = (curve(each, 0.0, tested=tested) for each in (arms, kept))
    pd.testing.assert_frame_equal(*both)


def test_there_is_no_curve_where_the_metric_is_undefined_in_every_training():
    examples = EXAMPLES.assign(weight=EXAMPLES["label"].eq("a").astype(float))
    found = curve(world(0), metric="roc_auc", tested=tables.tested_images(examples), examples=examples)
    assert list(found) == ["arm", "gflops", "value", "low", "high"] and found.empty
