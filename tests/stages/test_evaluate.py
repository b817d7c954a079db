"""evaluate: the verdict rests on the arms' predictions, in pairs, and counts what was spent."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import tiny_world
from sklearn.metrics import balanced_accuracy_score

from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_parquet, replacing_folder, write_parquet
from pipeline.store.outs import ArmPaths
from pipeline.store.paths import Paths
from pipeline.verdict import arms as tables
from pipeline.verdict.spending import Arm, fold_budgets, learning_curves, transfer_compute


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def verdict(paths):
    check_sealed(paths.transfer("to-defect").folder)
    return read_json(paths.transfer("to-defect").verdict)


def quality(predictions):
    """Balanced accuracy of a predictions.parquet, by scikit-learn."""
    columns = [name for name in predictions if name.startswith("p_")]
    named = predictions[columns].idxmax(axis=1).str.removeprefix("p_")
    return balanced_accuracy_score(predictions["label"], named)


def test_metrics_and_gains_are_those_of_the_predictions(paths, verdict):
    arms = {"head": ("head", "to-defect"), "tuned": ("tune", "to-defect"), "scratch": ("scratch", "defect-tiny")}
    reached = {arm: quality(read_parquet(paths.arm(*cell).predictions)) for arm, cell in arms.items()}
    metrics = read_json(paths.transfer("to-defect").metrics)
    assert {arm: values["balanced_accuracy"] for arm, values in metrics.items()} == pytest.approx(reached)
    gains = {arm: judged["gain"] for arm, judged in verdict["verdicts"].items()}
    assert gains == pytest.approx({arm: reached[arm] - reached["scratch"] for arm in ("head", "tuned")})
    for judged in verdict["verdicts"].values():
        assert judged["label"] == ("positive" if judged["gain"] > 0 else "negative")
        assert judged["images"] == tiny_world.IMAGES and judged["folds"] == 2


def test_at_equal_compute_scratch_is_what_it_had_reached_for_what_the_transfer_spent(paths, verdict):
    folds = {stage: read_json(paths.arm(stage, "to-defect").cost)["folds"] for stage in ("head", "tune")}
    extracted = read_json(paths.features("to-defect").cost)["gflops"]
    trajectory, parts = read_parquet(paths.arm("scratch", "defect-tiny").trajectory), []
    for fold in range(2):
        budget = extracted / 2 + sum(costs[fold]["gflops_chosen"] for costs in folds.values())
        affordable = trajectory[(trajectory["fold"] == fold) & (trajectory["gflops"] <= budget)]
        parts.append(affordable[affordable["epoch"] == affordable["epoch"].max()])
    within = pd.concat(parts)
    tuned = quality(read_parquet(paths.arm("tune", "to-defect").predictions))
    assert verdict["equal_compute"]["gain"] == pytest.approx(tuned - quality(within))


def test_compute_adds_up(paths, verdict):
    spent = verdict["compute"]
    assert spent["extract_gflops"] == read_json(paths.features("to-defect").cost)["gflops"]
    parts = [spent[f"{part}_gflops"] for part in ("extract", "head", "tuned")]
    assert spent["transfer_gflops"] == pytest.approx(sum(parts)) and min(parts) > 0
    assert spent["saved"] == pytest.approx(1 - spent["transfer_gflops"] / spent["scratch_gflops"])
    assert spent["images_seen"]["scratch"] == sum(fold["images_seen"] for fold in verdict["folds"]["scratch"])


def test_cost_to_equal_quality_is_within_what_was_spent(verdict):
    found, folds = verdict["cost_to_equal_quality"], verdict["folds"]
    chosen = {arm: sum(fold["gflops_chosen"] for fold in of) for arm, of in folds.items()}
    assert 0 <= found["scratch_gflops"] <= chosen["scratch"]
    assert 0 < found["gflops"] <= verdict["compute"]["extract_gflops"] + chosen["head"] + chosen["tuned"]


def test_the_saving_ends_with_what_the_arms_ended_with_and_what_they_had_spent(paths, verdict):
    rows = pd.read_csv(paths.transfer("to-defect").plot("saving"))
    assert rows["arm"].drop_duplicates().tolist() == ["head", "tuned", "scratch"]
    ends, metrics = rows.groupby("arm").last(), read_json(paths.transfer("to-defect").metrics)
    chosen = {arm: sum(fold["gflops_chosen"] for fold in of) for arm, of in verdict["folds"].items()}
    spent = {"tuned": verdict["compute"]["extract_gflops"] + chosen["head"] + chosen["tuned"]}
    for arm, gflops in (spent | {"scratch": chosen["scratch"]}).items():
        assert ends.loc[arm, "value"] == pytest.approx(metrics[arm]["balanced_accuracy"])
        assert ends.loc[arm, "gflops"] == pytest.approx(gflops)
    cost, own = verdict["cost_to_equal_quality"], rows[rows["arm"] != "scratch"]
    reached = own[own["value"] >= metrics["scratch"]["balanced_accuracy"] - 1e-9]["gflops"]
    assert cost["reached"] == (len(reached) > 0)
    assert cost["gflops"] == pytest.approx(reached.iloc[0] if len(reached) else own["gflops"].iloc[-1])


def test_confusion_counts_every_image(verdict):
    assert verdict["classes"] == sorted([tiny_world.BAD, tiny_world.GOOD])
    for counts in verdict["confusion"].values():
        assert np.sum(counts, axis=1).tolist() == [24, 24]


def test_plots_hold_labels_as_they_are(paths):
    rows = pd.read_csv(paths.transfer("to-defect").plot("confusion"), dtype=str, keep_default_na=False)
    assert len(rows) == 3 * tiny_world.IMAGES
    assert set(rows["actual"]) == {tiny_world.BAD, tiny_world.GOOD}


def test_only_finite_numbers_are_written(paths):
    for file in (paths.transfer("to-defect").verdict, paths.transfer("to-defect").metrics):
        json.loads(file.read_text(), parse_constant=pytest.fail)


def test_the_verdict_repeats_and_its_gain_does_not_depend_on_the_bootstraps_seed(world_copy, verdict):
    copied = world_copy()
    tiny_world.run_cell(copied.root, "evaluate", "to-defect")
    assert read_json(Paths(copied.root).transfer("to-defect").verdict) == verdict
    copied.raw["run"]["seed"] += 1
    tiny_world.write_params(copied.root, copied.raw)
    tiny_world.run_cell(copied.root, "evaluate", "to-defect")
    other = read_json(Paths(copied.root).transfer("to-defect").verdict)
    assert other["verdicts"]["tuned"]["gain"] == verdict["verdicts"]["tuned"]["gain"]
    assert other != verdict


def test_without_anything_unfrozen_the_verdict_is_that_of_the_head(world_copy, verdict):
    copied = world_copy(tune={"unfreeze": 0})
    tiny_world.run_cells(copied.root, "extract", "tune", "evaluate", "report", only="to-defect")
    files = Paths(copied.root)
    result = read_json(files.transfer("to-defect").verdict)
    assert result["arm"] == "head" and list(result["verdicts"]) == ["head"]
    assert result["verdicts"]["head"]["gain"] == verdict["verdicts"]["head"]["gain"]
    assert not files.features("to-defect").cut.exists()
    entry = read_json(files.report_metrics)["to-defect"]
    assert entry["arm"] == "head" and set(entry["arms"]) == {"head", "scratch"}


def test_a_planted_transfer_says_in_its_verdict_that_it_is_a_control(world_copy, verdict):
    copied = world_copy()
    copied.raw["transfers"]["to-defect"]["control"] = "planted_positive"
    tiny_world.write_params(copied.root, copied.raw)
    tiny_world.run_cell(copied.root, "evaluate", "to-defect")
    flagged = read_json(Paths(copied.root).transfer("to-defect").verdict)
    assert flagged == verdict | {"control": "planted_positive"} and "control" not in verdict


def test_predictions_that_were_tampered_with_are_refused(world_copy):
    copied = world_copy()
    file = Paths(copied.root).arm("scratch", "defect-tiny").predictions
    write_parquet(file, read_parquet(file).assign(fold=0))
    with pytest.raises(InputError, match=r"predictions\.parquet is damaged"):
        tiny_world.run_cell(copied.root, "evaluate", "to-defect")


@pytest.mark.parametrize("change", [lambda table: table.iloc[1:], lambda table: table.assign(fold=1 - table["fold"])])
def test_arms_of_other_folds_cannot_be_paired(world_copy, change):
    """A sealed arm that was trained on another split: a fault of ours, never a verdict."""
    copied = world_copy()
    files = Paths(copied.root).arm("scratch", "defect-tiny")
    table = change(read_parquet(files.predictions))
    others = {path.name: path.read_bytes() for path in files.folder.iterdir()}
    with replacing_folder(files.folder) as folder:
        for name, content in others.items():
            (folder / name).write_bytes(content)
        write_parquet(ArmPaths(folder).predictions, table)
    with pytest.raises(ValueError, match=r"same images in the same folds|duplicate labels"):
        tiny_world.run_cell(copied.root, "evaluate", "to-defect")


# ---- counts, on made-up costs ----------------------------------------------------------------------------------------


def made_up(name, chosen, whole):
    """An arm of two folds: GFLOPs of the chosen fit and of the whole sweep a fold."""
    folds = [
        {"fold": fold, "gflops_chosen": gflops, "gflops": whole, "images_seen": 10}
        for fold, gflops in enumerate(chosen)
    ]
    rows = [
        {"fold": fold, "epoch": epoch, "images_seen": 5 * epoch, "gflops": gflops * epoch / 2, "chosen": picked}
        for fold, gflops in enumerate(chosen)
        for picked in (True, False)
        for epoch in range(3)
    ]
    history = pd.DataFrame(rows).assign(loss=0.0, val_loss=0.0, val_balanced_accuracy=0.5)
    parts = {"gflops": 2 * whole, "forward_gflops": 0.75 * whole, "backward_gflops": 1.25 * whole}
    return name, Arm(np.zeros((0, 2)), pd.DataFrame(), history, {"folds": folds, **parts})


ARMS = dict([made_up("head", (1, 2), 6), made_up("tuned", (10, 20), 30), made_up("scratch", (100, 200), 300)])
EXTRACT = {"gflops": 8.0}


def test_a_folds_budget_is_its_share_of_the_extraction_and_the_chosen_fits():
    assert fold_budgets(EXTRACT, {arm: ARMS[arm] for arm in ("head", "tuned")}) == {0: 15.0, 1: 26.0}


def test_what_was_spent_is_the_whole_sweep():
    spent = transfer_compute(EXTRACT, ARMS)
    assert (spent["transfer_gflops"], spent["scratch_gflops"]) == (8 + 12 + 60, 600)
    assert spent["saved"] == pytest.approx(1 - 80 / 600)
    assert spent["forward_gflops"] == {"head": 4.5, "tuned": 22.5, "scratch": 225}
    assert spent["backward_gflops"] == {"head": 7.5, "tuned": 37.5, "scratch": 375}
    assert spent["sweep_gflops"] == {"head": 12 - 3, "tuned": 60 - 30, "scratch": 600 - 300}


def test_learning_curves_of_a_transfer_begin_where_what_came_before_ended():
    curves = learning_curves(copy.deepcopy(ARMS), EXTRACT)
    first = curves[curves["epoch"] == 0].set_index(["arm", "fold"])["gflops"].to_dict()
    assert first == {
        ("head", 0): 4, ("head", 1): 4, ("tuned", 0): 5, ("tuned", 1): 6, ("scratch", 0): 0, ("scratch", 1): 0
    }  # fmt: skip
    assert len(curves) == 3 * 2 * 3  # the chosen settings only


def test_arms_that_stand_for_themselves_begin_at_nothing():
    curves = learning_curves(copy.deepcopy(ARMS))
    assert (curves[curves["epoch"] == 0]["gflops"] == 0).all()


def test_every_class_has_its_own_roc_where_there_are_more_than_two():
    examples = pd.DataFrame({"label": list("abcabc"), "fold": 0, "group": "g", "weight": 1.0})
    probabilities = np.eye(3)[[0, 1, 2, 0, 1, 0]] * 0.7 + 0.1
    rows = tables.plot_tables(tables.tested_images(examples), {"head": probabilities, "scratch": probabilities})["roc"]
    assert set(rows["positive"]) == {"a", "b", "c"} and set(rows["arm"]) == {"head", "scratch"}
    for _, curve in rows.groupby(["arm", "positive"]):
        assert curve["false_positive_rate"].is_monotonic_increasing  # one curve, not several in a row
