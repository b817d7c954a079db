"""evaluate: every kind of question is judged on its arms' predictions, in pairs, and counts what was spent."""

import copy
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny_world
from sklearn.metrics import balanced_accuracy_score

from pipeline.arms import train
from pipeline.arms.reading import cost_of_folds
from pipeline.results.assemble import candidates_over_folds, chosen_methods
from pipeline.results.result import read_result
from pipeline.stages import adapt
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet, replacing_folder, write_parquet
from pipeline.store.paths import Paths
from pipeline.verdict import arms as tables
from pipeline.verdict.looks import nominal_level
from pipeline.verdict.spending import Arm, fold_budgets, learning_curves, saving, spent

TRANSFER, NULL, ADAPTED = "to-defect", "defect-null", "round-to-square"
ARMS_OF = ("head", "tuned", "scratch")  # of the stages head, tune, scratch


@pytest.fixture(scope="module")
def paths(world):
    return Paths(world.root)


@pytest.fixture(scope="module")
def result(paths):
    check_sealed(paths.question(TRANSFER).folder)
    return read_result(paths.question(TRANSFER).result)


def tuned_of(paths):
    return paths.trained("transfers", TRANSFER).arm("tuned")


def scratch_of(paths, name="defect-tiny"):
    return paths.trained("baselines", name).arm("scratch")


def inside_trainings(predictions):
    """Balanced accuracy of each training of a predictions.parquet, by scikit-learn."""
    columns = [name for name in predictions if name.startswith("p_")]
    named = predictions[columns].idxmax(axis=1).str.removeprefix("p_")
    return {
        fold: balanced_accuracy_score(rows["label"], named[rows.index]) for fold, rows in predictions.groupby("fold")
    }


def quality(predictions):
    """The mean inside trainings, by the images that each tested."""
    tested = predictions["fold"].value_counts()
    values = inside_trainings(predictions)
    return np.average(list(values.values()), weights=tested[list(values)])


def chosen_of(transfer):
    """The predictions of head or tuned, whichever is better on validation in each fold, and how often each is."""
    names = ("head", "tuned")
    folds = {name: read_json(transfer.arm(name).cost)["folds"] for name in names}
    better = {
        fold: "head" if head > tuned else "tuned"
        for fold, (head, tuned) in enumerate(
            zip(*([each["validation"]["balanced_accuracy"] for each in folds[name]] for name in names), strict=True)
        )
    }
    tables = {name: read_parquet(transfer.arm(name).predictions) for name in names}
    parts = [tables[name][tables[name]["fold"] == fold] for fold, name in better.items()]
    return pd.concat(parts, ignore_index=True), {name: list(better.values()).count(name) for name in names}


def rewritten(folder, file, change):
    """Change one table of a sealed output and seal it again: a fault of ours, behind a seal that is whole."""
    with replacing_folder(folder) as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        write_parquet(copy / file, change(read_parquet(copy / file)))


# ---- a transfer ------------------------------------------------------------------------------------------------------


def test_metrics_and_gains_are_those_of_the_predictions(paths, result):
    transfer = paths.trained("transfers", TRANSFER)
    arms = {"head": transfer.arm("head"), "tuned": transfer.arm("tuned"), "scratch": scratch_of(paths)}
    reached = {name: quality(read_parquet(files.predictions)) for name, files in arms.items()}
    chosen, choices = chosen_of(transfer)
    reached["chosen"] = quality(chosen)
    assert result.choices == choices
    assert {arm: values["balanced_accuracy"] for arm, values in result.arms.items()} == pytest.approx(reached)
    gains = {arm: judged.gain for arm, judged in result.details.verdicts.items()}
    assert gains == pytest.approx({arm: reached[arm] - reached["scratch"] for arm in ("head", "tuned", "chosen")})
    assert (result.arm, result.against, result.gain) == ("chosen", "scratch", gains["chosen"])
    for judged in result.details.verdicts.values():
        assert judged.label == ("positive" if judged.gain > 0 else "negative")
        assert (judged.images, judged.groups) == (tiny_world.IMAGES, tiny_world.IMAGES // 2)
        assert (judged.folds, judged.repeats) == (2, 2)
    assert (result.trainings, result.repeats, result.looks, result.level) == (4, 2, 0, 0.05)


def test_trainings_that_beat_the_other_arm_are_the_probability_of_improvement(paths, result):
    tuned, scratch = (inside_trainings(read_parquet(of(paths).predictions)) for of in (tuned_of, scratch_of))
    wins = [0.5 + 0.5 * np.sign(round(tuned[fold] - scratch[fold], 12)) for fold in range(4)]
    assert result.probability_of_improvement == pytest.approx(np.mean(wins))


def test_interval_and_p_agree_and_needs_are_named_by_repeats_and_groups(result):
    low, high, alpha = result.ci_low, result.ci_high, result.level
    assert low < result.gain < high and (result.p < alpha) == (low > 0 or high < 0)
    assert result.not_worse == (low > -0.03)
    assert {"images_needed", "folds_needed", "p_equivalence", "p_mcnemar"}.isdisjoint(result.model_dump())


def test_it_says_what_was_asked(result):
    assert (result.kind, result.setting, result.source, result.target) == ("transfer", "inductive", "tiny", "defect")
    assert (result.baseline, result.control, result.part_of) == ("defect-tiny", None, None)


def extracted_alone(paths):
    """GFLOPs of the extraction for each of two repeats, as if it were the only one."""
    cost, examples = read_json(paths.features(TRANSFER).cost), read_parquet(paths.target("defect").examples)
    roles = [examples[[f"role_{fold}", f"role_{fold + 1}"]] for fold in (0, 2)]
    other_views = [int((part == "train").any(axis=1).sum()) for part in roles]  # there is one
    assert cost["views"] == 2 and max(other_views) < len(examples)
    return [(len(examples) * cost["image_flops"] + count * cost["view_flops"]) / 1e9 for count in other_views]


def test_at_equal_compute_scratch_is_what_it_had_reached_for_what_the_transfer_spent(paths, result):
    transfer = paths.trained("transfers", TRANSFER)
    folds = {arm: read_json(transfer.arm(arm).cost)["folds"] for arm in ("head", "tuned")}
    extracted = extracted_alone(paths)
    trajectory, parts = read_parquet(scratch_of(paths).trajectory), []
    for fold in range(4):
        budget = sum(extracted) / 4 + sum(costs[fold]["gflops_chosen"] for costs in folds.values())
        affordable = trajectory[(trajectory["fold"] == fold) & (trajectory["gflops"] <= budget)]
        parts.append(affordable[affordable["epoch"] == affordable["epoch"].max()])
    tuned = quality(read_parquet(tuned_of(paths).predictions))
    assert result.equal_compute.gain == pytest.approx(tuned - quality(pd.concat(parts)))


def test_compute_adds_up(paths, result):
    spent = result.compute
    assert spent.extract_gflops == pytest.approx(sum(extracted_alone(paths)))
    assert spent.extract_gflops < 2 * read_json(paths.features(TRANSFER).cost)["gflops"]  # of both
    parts = [spent.extract_gflops, spent.arms["head"].gflops, spent.arms["tuned"].gflops]
    assert spent.transfer_gflops == pytest.approx(sum(parts)) and min(parts) > 0
    assert spent.scratch_gflops == spent.arms["scratch"].gflops
    assert spent.saved == pytest.approx(1 - spent.transfer_gflops / spent.scratch_gflops)
    assert spent.arms["scratch"].images_seen == sum(fold["images_seen"] for fold in result.details.folds["scratch"])


def test_cost_to_equal_quality_is_within_what_was_spent(result):
    found, folds = result.cost_to_equal_quality, result.details.folds
    chosen = {arm: sum(fold["gflops_chosen"] for fold in folds[arm]) for arm in folds}
    assert 0 <= found.scratch_gflops <= chosen["scratch"]
    assert 0 < found.gflops <= result.compute.extract_gflops + chosen["head"] + chosen["tuned"]


def test_the_saving_ends_with_what_the_arms_ended_with_and_what_they_had_spent(paths, result):
    rows = pd.read_csv(paths.question(TRANSFER).plot("saving"))
    assert rows["arm"].drop_duplicates().tolist() == ["head", "tuned", "scratch"]
    ends, folds = rows.groupby("arm").last(), result.details.folds
    chosen = {arm: sum(fold["gflops_chosen"] for fold in folds[arm]) for arm in folds}
    spent = {"tuned": result.compute.extract_gflops + chosen["head"] + chosen["tuned"]}
    for arm, gflops in (spent | {"scratch": chosen["scratch"]}).items():
        assert ends.loc[arm, "value"] == pytest.approx(result.arms[arm]["balanced_accuracy"])
        assert ends.loc[arm, "gflops"] == pytest.approx(gflops)
    cost, own = result.cost_to_equal_quality, rows[rows["arm"] != "scratch"]
    reached = own[own["value"] >= result.arms["scratch"]["balanced_accuracy"] - 1e-9]["gflops"]
    assert cost.reached == (len(reached) > 0)
    assert cost.gflops == pytest.approx(reached.iloc[0] if len(reached) else own["gflops"].iloc[-1])


def test_confusion_counts_every_image(result):
    assert result.details.classes == sorted([tiny_world.BAD, tiny_world.GOOD])
    for counts in result.details.confusion.values():
        assert np.sum(counts, axis=1).tolist() == [24, 24]  # an image that a repeat gets wrong: half wrong
        assert (2 * np.array(counts) % 1 == 0).all()


def test_plots_hold_labels_as_they_are(paths):
    rows = pd.read_csv(paths.question(TRANSFER).plot("confusion"), dtype=str, keep_default_na=False)
    assert len(rows) == 4 * tiny_world.IMAGES  # of the first repeat
    assert set(rows["actual"]) == {tiny_world.BAD, tiny_world.GOOD}


def test_the_predictions_of_all_arms_stand_beside_the_result(paths):
    table = read_parquet(paths.question(TRANSFER).predictions)
    assert table.groupby("arm").size().to_dict() == dict.fromkeys(
        ("head", "tuned", "chosen", "scratch"), 2 * tiny_world.IMAGES
    )
    assert (table["repeat"] == table["fold"] // 2).all()
    assert (table.groupby(["arm", "repeat"])["image_id"].nunique() == tiny_world.IMAGES).all()
    rows = table[table["arm"] == "tuned"].set_index(["image_id", "fold"])
    own = read_parquet(tuned_of(paths).predictions).set_index(["image_id", "fold"])
    assert (rows["label"] == own["label"].reindex(rows.index)).all()
    assert np.allclose(rows[f"p_{tiny_world.BAD}"], own[f"p_{tiny_world.BAD}"].reindex(rows.index), atol=1e-6)


def test_only_finite_numbers_are_written(paths):
    json.loads(paths.question(TRANSFER).result.read_text(), parse_constant=pytest.fail)


def test_the_result_repeats_and_has_no_seed_of_its_own(world_copy, result):
    copied = world_copy()
    file = Paths(copied.root).question(TRANSFER).result
    before = file.read_bytes()
    for seed in (7, 8):
        copied.raw["run"]["seed"] = seed
        tiny_world.write_params(copied.root, copied.raw)
        tiny_world.run_cell(copied.root, "evaluate", TRANSFER)
        assert file.read_bytes() == before and read_result(file) == result


def test_without_anything_unfrozen_the_result_is_that_of_the_head(world_copy, result):
    copied = world_copy(tune={"unfreeze": 0})
    tiny_world.run_cells(copied.root, "extract", "tune", "evaluate", "report", only=TRANSFER)
    files = Paths(copied.root)
    found = read_result(files.question(TRANSFER).result)
    assert found.arm == "head" and list(found.details.verdicts) == ["head"]
    assert found.details.verdicts["head"].gain == result.details.verdicts["head"].gain
    assert not files.features(TRANSFER).cut.exists()
    entry = read_json(files.report_metrics)[TRANSFER]
    assert entry["arm"] == "head" and set(entry["arms"]) == {"head", "scratch"}


def test_a_planted_question_is_flagged_as_a_control(world_copy, result):
    copied = world_copy()
    copied.raw["questions"][TRANSFER]["control"] = "planted_positive"
    tiny_world.write_params(copied.root, copied.raw)
    tiny_world.run_cell(copied.root, "evaluate", TRANSFER)
    flagged = read_result(Paths(copied.root).question(TRANSFER).result)
    assert flagged == result.model_copy(update={"control": "planted_positive"}) and result.control is None


def test_predictions_that_were_tampered_with_are_refused(world_copy):
    copied = world_copy()
    file = scratch_of(Paths(copied.root)).predictions
    write_parquet(file, read_parquet(file).assign(fold=0))
    with pytest.raises(InputError, match=r"predictions\.parquet is damaged"):
        tiny_world.run_cell(copied.root, "evaluate", TRANSFER)


@pytest.mark.parametrize("change", [lambda table: table.iloc[1:], lambda table: table.assign(fold=table["fold"] ^ 1)])
def test_arms_of_other_folds_cannot_be_paired(world_copy, change):
    """A sealed arm that was trained on another split: a fault of ours, never a result."""
    copied = world_copy()
    rewritten(Paths(copied.root).trained("baselines", "defect-tiny").folder, "scratch/predictions.parquet", change)
    with pytest.raises(ValueError, match="same images in the same trainings"):
        tiny_world.run_cell(copied.root, "evaluate", TRANSFER)


# ---- repeats of the division into folds ------------------------------------------------------------------------------


def asking(copied, question, **fields):
    """The result of a question with other fields; `looks` are the planned ones."""
    copied.raw["verdict"]["looks"] = fields.pop("looks", [])
    copied.raw["questions"][question] |= fields
    tiny_world.write_params(copied.root, copied.raw)
    tiny_world.run_cell(copied.root, "evaluate", question)
    return read_result(Paths(copied.root).question(question).result)


def test_a_question_of_one_repeat_is_judged_by_the_first_as_a_run_of_one_repeat_does(paths, world_copy, monkeypatch):
    """To the bit, files and all; and that run trains nothing, since the first repeat is the same."""
    copied = world_copy()
    one = asking(copied, TRANSFER, repeats=1)
    assert (one.repeats, one.trainings) == (1, 2) and one.compute.arms["tuned"].gflops > 0
    reached = {}
    for name, of in (("tuned", tuned_of), ("scratch", scratch_of)):
        predictions = read_parquet(of(paths).predictions)
        reached[name] = quality(predictions[predictions["fold"] < 2])
        assert one.arms[name]["balanced_accuracy"] == pytest.approx(reached[name])
    assert one.gain == pytest.approx(reached["tuned"] - reached["scratch"])
    folder = Paths(copied.root).question(TRANSFER).folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    before = {path.relative_to(folder): path.read_bytes() for path in files}

    del copied.raw["questions"][TRANSFER]["repeats"]
    copied.raw["run"]["repeats"] = 1
    tiny_world.write_params(copied.root, copied.raw)
    monkeypatch.setattr(train, "fit", None)
    tiny_world.run_cell(copied.root, "split", "defect")
    for stage, cell in (("extract", TRANSFER), ("head", TRANSFER), ("tune", TRANSFER), ("scratch", "defect-tiny")):
        tiny_world.run_cell(copied.root, stage, cell)
    tiny_world.run_cell(copied.root, "evaluate", TRANSFER)
    assert len(read_json(tuned_of(Paths(copied.root)).cost)["folds"]) == 2
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, name


def test_more_repeats_than_a_target_has_are_refused(world_copy):
    """Not that DVC would get here: `split` is made again first."""
    with pytest.raises(ValueError, match=r"2 repeat\(s\); 3 were asked for"):
        asking(world_copy(), TRANSFER, repeats=3)


@pytest.mark.slow
def test_more_repeats_train_only_what_is_new_and_leave_the_first_as_they_were(world_copy, monkeypatch):
    """Through every stage that trains: four folds are kept, two are new."""
    copied, trained = world_copy(run={"repeats": 3}), []
    fit, choose = train.fit, adapt.choose
    monkeypatch.setattr(train, "fit", lambda *given: trained.append("fit") or fit(*given))
    monkeypatch.setattr(
        adapt, "choose", lambda source, folds, *rest: trained.append(len(folds)) or choose(source, folds, *rest)
    )
    files, before = Paths(copied.root), {}
    cells = {"head": ("heads", TRANSFER), "tune": ("transfers", TRANSFER), "scratch": ("baselines", "defect-tiny")}
    arms = {stage: files.trained(*of).arm(arm) for (stage, of), arm in zip(cells.items(), ARMS_OF, strict=True)}
    for stage, arm in arms.items():
        before[stage] = [read_parquet(arm.predictions), *(arm.model(fold).read_bytes() for fold in range(4))]
    for target in ("defect", "square-defect"):
        tiny_world.run_cell(copied.root, "split", target)
    had = read_npy(files.features(TRANSFER).places) >= 0
    tiny_world.run_cell(copied.root, "extract", TRANSFER)
    has = read_npy(files.features(TRANSFER).places) >= 0
    assert has[had].all() and has.sum() > had.sum()  # of images that only now train
    for stage, (_, name) in cells.items():
        tiny_world.run_cell(copied.root, stage, name)
        assert trained == ["fit"] * 2
        trained.clear()
        table = read_parquet(arms[stage].predictions)
        old = table[table["fold"] < 4].reset_index(drop=True)
        pd.testing.assert_frame_equal(old, before[stage][0])
        assert [arms[stage].model(fold).read_bytes() for fold in range(4)] == before[stage][1:]
        assert set(table["fold"]) == set(range(6))
    tiny_world.run_cell(copied.root, "adapt", ADAPTED)
    assert trained == [2]
    tiny_world.run_cell(copied.root, "evaluate", TRANSFER)
    found = read_result(files.question(TRANSFER).result)
    assert (found.repeats, found.trainings) == (3, 6)


# ---- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_verdict_after_another_with_fewer_repeats_says_so(world_copy):
    """The first one is on record beside the trainings, not in the output: it is replaced with every run."""
    copied = world_copy()
    shutil.rmtree(Paths(copied.root).judged(TRANSFER).parent)
    assert [asking(copied, TRANSFER, repeats=repeats).earlier_repeats for repeats in (1, 1, 2, 2, 1)] == [
        [], [], [1], [1], [],
    ]  # fmt: skip
    copied.raw["transfers"][TRANSFER] |= {"unfreeze": 0}  # another arm: nothing of it was seen before
    tiny_world.write_params(copied.root, copied.raw)
    for stage in ("extract", "tune"):
        tiny_world.run_cell(copied.root, stage, TRANSFER)
    assert asking(copied, TRANSFER, repeats=2).earlier_repeats == []


def test_planned_looks_have_a_stricter_level_and_no_second_chance(world_copy, result):
    copied, level = world_copy(), nominal_level(0.05, [1, 2])
    shutil.rmtree(Paths(copied.root).judged(TRANSFER).parent)
    found = [asking(copied, TRANSFER, repeats=repeats, looks=[1, 2]) for repeats in (1, 2)]
    assert [(each.looks, each.level, each.earlier_repeats) for each in found] == [(1, level, []), (2, level, [])]
    assert 0.025 < level < 0.05
    assert found[1].gain == result.gain and found[1].p == result.p
    assert found[1].ci_low < result.ci_low < result.ci_high < found[1].ci_high
    assert found[1].equal_compute.ci_low < result.equal_compute.ci_low
    # a number of repeats that was not planned is a second chance all the same
    assert asking(copied, TRANSFER, repeats=2, looks=[1, 3]).earlier_repeats == [1]


# ---- trainings that failed -------------------------------------------------------------------------------------------


def test_an_arm_that_answers_one_class_is_counted_as_failed(world_copy):
    copied = world_copy()

    def one_class(table):
        blind = (table["fold"] == 1).to_numpy()
        columns = [f"p_{tiny_world.BAD}", f"p_{tiny_world.GOOD}"]
        values = table[columns].to_numpy()
        return table.assign(**dict(zip(columns, np.where(blind[:, None], [0.9, 0.1], values).T, strict=True)))

    def right(table):
        own = {name: np.where(table["label"] == name, 0.9, 0.1) for name in (tiny_world.BAD, tiny_world.GOOD)}
        return table.assign(**{f"p_{name}": values for name, values in own.items()})

    folder = Paths(copied.root).trained("baselines", "defect-again").folder
    rewritten(folder, "scratch/predictions.parquet", right)
    assert "again" not in asking(copied, NULL).failed
    rewritten(folder, "scratch/predictions.parquet", one_class)
    found = asking(copied, NULL)
    assert found.failed["again"] == 1 and found.trainings == 4


# ---- the null control: a baseline against the same once again --------------------------------------------------------


def test_a_baseline_once_again_is_judged_as_a_transfer_is(paths, result):
    null = read_result(paths.question(NULL).result)
    assert (null.kind, null.control, null.arm, null.against) == ("again", "null", "again", "scratch")
    assert (null.baseline, null.again, null.setting) == ("defect-tiny", "defect-again", None)
    assert list(null.details.verdicts) == ["again"] and null.equal_compute is None
    assert null.arms["scratch"] == result.arms["scratch"]
    assert null.compute.arms["again"].gflops == read_json(scratch_of(paths, "defect-again").cost)["gflops"]
    assert null.compute.saved is None and null.compute.saved_reason


def test_the_curves_of_both_begin_at_nothing(paths):
    curves = pd.read_csv(paths.question(NULL).plot("learning_curves"))
    assert set(curves["arm"]) == {"again", "scratch"}
    assert (curves.groupby(["arm", "fold"])["images_seen"].min() == 0).all()
    assert (curves[curves["images_seen"] == 0]["gflops"] < curves["gflops"].max() / 2).all()
    saving_rows = pd.read_csv(paths.question(NULL).plot("saving"))
    assert saving_rows.groupby("arm")["gflops"].min().to_dict() == {"again": 0, "scratch": 0}


def test_a_difference_that_is_there_is_found(world_copy):
    """Against an arm that is nearly always wrong: the instrument sees it, so a null that holds means something."""
    copied = world_copy()

    def mostly_wrong(table):
        lucky = table["row"].to_numpy() % 8 == 0
        right = {name: (table["label"] == name).to_numpy() for name in (tiny_world.BAD, tiny_world.GOOD)}
        return table.assign(**{f"p_{name}": np.where(of == lucky, 0.9, 0.1) for name, of in right.items()})

    files = Paths(copied.root)
    rewritten(files.trained("baselines", "defect-again").folder, "scratch/predictions.parquet", mostly_wrong)
    tiny_world.run_cell(copied.root, "evaluate", NULL)
    null = read_result(files.question(NULL).result)
    assert (null.label, null.evidence) == ("negative", "conclusive")
    tiny_world.run_cell(copied.root, "report", None)
    run = read_json(files.report_metrics)["run"]
    assert run["controls"] == "failed" and run["failed_controls"] == [NULL]


# ---- an adaptation: against its source as it is ----------------------------------------------------------------------


def test_an_adaptation_is_judged_against_its_source_as_it_is(paths):
    found = read_result(paths.question(ADAPTED).result)
    files = paths.trained("adaptations", ADAPTED)
    arms = {name: files.arm(name) for name in ("adapted", "coral", "target_supervised")}
    arms["source_only"] = paths.trained("unadapted", ADAPTED).arm("source_only")
    reached = {name: quality(read_parquet(arm.predictions)) for name, arm in arms.items()}
    assert (found.kind, found.arm, found.against) == ("adaptation", "adapted", "source_only")
    assert {name: values["balanced_accuracy"] for name, values in found.arms.items()} == pytest.approx(reached)
    assert found.gain == pytest.approx(reached["adapted"] - reached["source_only"])
    assert found.ceiling.arm == "target_supervised"
    assert found.ceiling.gain == pytest.approx(reached["target_supervised"] - reached["source_only"])
    assert found.ceiling.reached == pytest.approx(found.gain / found.ceiling.gain)
    cost = read_json(files.arm("adapted").cost)
    assert list(found.compute.arms) == ["adapted"] and found.compute.arms["adapted"].gflops == cost["gflops"]
    assert found.baseline is None and found.cost_to_equal_quality is None
    for plot in ("roc", "confusion", "calibration"):
        assert set(pd.read_csv(paths.question(ADAPTED).plot(plot))["arm"]) == set(arms)


def test_an_adaptation_of_one_repeat_is_judged_as_a_run_of_one_repeat_does(world_copy):
    copied = world_copy()
    one = asking(copied, ADAPTED, repeats=1)
    assert (one.repeats, one.trainings) == (1, 2)
    del copied.raw["questions"][ADAPTED]["repeats"]
    copied.raw["run"]["repeats"] = 1
    tiny_world.write_params(copied.root, copied.raw)
    for stage, cell in (("split", "square-defect"), ("adapt", ADAPTED), ("evaluate", ADAPTED)):
        tiny_world.run_cell(copied.root, stage, cell)
    whole = read_result(Paths(copied.root).question(ADAPTED).result)
    spent = ("compute", "details")
    assert one.model_dump(exclude=set(spent)) == whole.model_dump(exclude=set(spent))
    assert one.compute == whole.compute and one.details == whole.details


CANDIDATES = pd.DataFrame(
    {
        "fold": [0, 0, 1, 1],
        "method": ["source_only", "coral"] * 2,
        "strength": [None, 1.0] * 2,
        "criterion": [0.1, 0.2, 0.3, 0.2],
        "chosen": [False, True, True, False],
        "accuracy": [0.52, 0.73, 0.61, 0.49],
        "balanced_accuracy": [0.5, 0.75, 0.625, 0.5],
    }
)


def test_candidates_are_means_over_folds_in_the_order_in_which_they_were_tried():
    expected = [("source_only", None, 0.2, 0.565, 0.5625, 1), ("coral", 1.0, 0.2, 0.61, 0.625, 1)]
    keys = ("method", "strength", "criterion", "accuracy", "balanced_accuracy", "folds_chosen")
    for found, row in zip(candidates_over_folds(CANDIDATES), expected, strict=True):
        assert found.model_dump() == pytest.approx(dict(zip(keys, row, strict=True)))


def test_a_quality_that_the_candidates_lack_is_none():
    assert {row.accuracy for row in candidates_over_folds(CANDIDATES.drop(columns="accuracy"))} == {None}


def test_methods_are_counted_by_the_folds_that_chose_them():
    table = pd.DataFrame({"fold": [0, 1, 2, 2], "method": ["dann", "dann", "mcc", "dann"]})
    assert chosen_methods(table.assign(chosen=[True, True, True, False])) == {"dann": 2, "mcc": 1}


# ---- counts, on made-up costs ----------------------------------------------------------------------------------------


def made_up(chosen, whole, before=0.0):
    """An arm of two folds: GFLOPs of the chosen setting and of all tried ones a fold."""
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
    return Arm(np.zeros((0, 2)), {"folds": folds, **parts, "before_gflops": before}, pd.DataFrame(), history)


ARMS = {"head": made_up((1, 2), 6, before=8.0), "tuned": made_up((10, 20), 30)}
SCRATCH = {"scratch": made_up((100, 200), 300)}


def test_a_folds_budget_is_its_share_of_the_extraction_and_the_chosen_settings():
    assert fold_budgets(ARMS) == {0: 15.0, 1: 26.0}


def test_what_was_spent_is_the_whole_sweep():
    assert tuple(saving(ARMS, SCRATCH["scratch"]).values()) == (8, 8 + 12 + 60, 600, pytest.approx(1 - 80 / 600))
    found = {name: spent(arm) for name, arm in (ARMS | SCRATCH).items()}
    assert {name: of["forward_gflops"] for name, of in found.items()} == {"head": 4.5, "tuned": 22.5, "scratch": 225}
    assert {name: of["backward_gflops"] for name, of in found.items()} == {"head": 7.5, "tuned": 37.5, "scratch": 375}
    assert {name: of["sweep_gflops"] for name, of in found.items()} == {"head": 9, "tuned": 30, "scratch": 300}
    assert found["head"]["images_seen"] == 20


def test_an_arm_that_was_not_trained_epoch_by_epoch_has_no_sweep():
    found = spent(Arm(np.zeros((0, 2)), {"folds": [{"fold": 0}], "gflops": 5.0, "backward_gflops": 3.0}))
    assert (found["gflops"], found["forward_gflops"], found["sweep_gflops"], found["images_seen"]) == (
        5,
        None,
        None,
        None,
    )


def test_some_folds_of_an_arm_cost_what_they_took_themselves_and_their_share_of_what_came_before():
    folds = [
        {"fold": fold, "gflops": 6.0 + fold, "forward_gflops": 2.0, "backward_gflops": 4.0 + fold} for fold in range(4)
    ]
    whole = {"folds": folds, "gflops": 30.0, "forward_gflops": 8.0, "backward_gflops": 22.0, "before_gflops": 8.0}
    assert cost_of_folds(whole, {0, 1, 2, 3}, 4) == whole
    half = {"folds": folds[:2], "gflops": 13.0, "forward_gflops": 4.0, "backward_gflops": 9.0, "before_gflops": 4.0}
    assert cost_of_folds(whole, {0, 1}, 4) == half


def test_learning_curves_of_a_transfer_begin_where_what_came_before_ended():
    curves = learning_curves(copy.deepcopy(ARMS), copy.deepcopy(SCRATCH))
    first = curves[curves["epoch"] == 0].set_index(["arm", "fold"])["gflops"].to_dict()
    assert first == {
        ("head", 0): 4, ("head", 1): 4, ("tuned", 0): 5, ("tuned", 1): 6, ("scratch", 0): 0, ("scratch", 1): 0
    }  # fmt: skip
    assert len(curves) == 3 * 2 * 3  # the chosen settings only


def test_every_class_has_its_own_roc_where_there_are_more_than_two():
    examples = pd.DataFrame({"label": list("abcabc"), "role_0": "test", "group": "g", "weight": 1.0})
    probabilities = np.eye(3)[[0, 1, 2, 0, 1, 0]] * 0.7 + 0.1
    rows = tables.plot_tables(tables.tested_images(examples), {"head": probabilities, "scratch": probabilities})["roc"]
    assert set(rows["positive"]) == {"a", "b", "c"} and set(rows["arm"]) == {"head", "scratch"}
    for _, curve in rows.groupby(["arm", "positive"]):
        assert curve["false_positive_rate"].is_monotonic_increasing  # one curve, not several in a row
