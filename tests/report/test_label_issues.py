"""Labels that look wrong: planted ones are found and nothing else is, by the arm that validation prefers."""

from types import SimpleNamespace

import builders
import numpy as np
import pandas as pd
import pytest

from pipeline.report.content import Figure, Paragraph, Table
from pipeline.report.figures import recall_figure
from pipeline.report.label_issues import (
    COLUMNS,
    NEAR,
    TWICE,
    candidates,
    contradictions,
    described,
    doubts,
    examined,
    issues_table,
    label_issues,
    pictures,
    ranked,
    recall,
)
from pipeline.report.sections import label_issues as section
from pipeline.store.files import write_csv

IMAGES, FOLDS, REPEATS = 120, 2, 2
WRONG = (3, 50, 77)  # images whose label is planted
LABELS = np.where(np.arange(IMAGES) % 2, "good", "bad")
GIVEN = np.array([{"good": "bad", "bad": "good"}[name] if at in WRONG else name for at, name in enumerate(LABELS)])


def table(arms, weight=1.0):
    """A question's predictions: arm -> the probability that it gives to the true class."""
    parts = []
    for repeat in range(REPEATS):
        fold = repeat * FOLDS + np.random.default_rng(repeat).permutation(np.arange(IMAGES) % FOLDS)
        rows = pd.DataFrame({"image_id": [f"i{at}" for at in range(IMAGES)], "label": GIVEN, "repeat": repeat})
        rows = rows.assign(fold=fold, group="g", weight=weight, true=LABELS).sort_values("fold", kind="stable")
        for arm, right in arms.items():
            p = np.where(rows["true"] == "good", right, 1 - right)
            parts.append(rows.drop(columns="true").assign(arm=arm, p_bad=1 - p, p_good=p))
    return pd.concat(parts, ignore_index=True)


def result(target="t", **qualities):
    """What is read of a result; arm -> its balanced accuracy on validation."""
    folds = {
        arm: [{"fold": at, "validation": {"balanced_accuracy": quality}} for at in range(FOLDS * REPEATS)]
        for arm, quality in qualities.items()
    }
    return SimpleNamespace(target=target, details=SimpleNamespace(folds=folds))


def params(targets=("t",), **dataset):
    """Targets of one label column."""
    entry = {"labels": ["label"], "weights": [], "reader": "folder", **dataset}
    target = SimpleNamespace(dataset="d", label="label", weight=None)
    return SimpleNamespace(targets=dict.fromkeys(targets, target), datasets={"d": SimpleNamespace(**entry)})


def manifest(**columns):
    names = [f"{at}.png" for at in range(IMAGES)]
    ids = [f"i{at}" for at in range(IMAGES)]
    rows = {"image_id": ids, "row": range(IMAGES), "name": names, "cluster": range(IMAGES), "label": GIVEN}
    return pd.DataFrame({**rows, **columns})


def found(settings=None, listed=None, tables=None, results=None):
    """What is found with two arms: one that is right, and one that is wrong and worse on validation."""
    tables = tables or {"q": table({"good arm": 0.9, "bad arm": 0.2})}
    results = results or {"q": result(**{"good arm": 0.9, "bad arm": 0.4})}
    manifests = {"d": manifest() if listed is None else listed}
    return label_issues(results, tables, manifests, {"d": np.zeros((IMAGES, 8, 8, 1), "uint8")}, settings or params())


def test_planted_labels_are_found_and_no_others():
    (issues,) = found()
    listed = issues.found.sort_values("row")
    assert listed["row"].tolist() == list(WRONG)
    assert listed["label"].tolist() == [GIVEN[at] for at in WRONG]
    assert listed["suggested"].tolist() == [LABELS[at] for at in WRONG]
    np.testing.assert_allclose(listed[["p_label", "p_suggested"]].to_numpy(), [[0.1, 0.9]] * 3)
    assert issues.arms == {"q good arm": FOLDS * REPEATS} and issues.tested == {"t": (IMAGES, 3)}
    assert len(issues.images) == IMAGES and not issues.images["issue"][3:].any()


def test_labels_of_networks_that_know_nothing_are_not_doubted():
    labels = np.arange(100) % 2
    issue, _ = doubts(labels, np.full((100, 2), 0.5))
    assert not issue.any()


def test_of_several_classes_those_that_are_confidently_another_are_listed():
    labels, rng = np.arange(300) % 3, np.random.default_rng(0)
    probabilities = 0.1 + 0.7 * np.eye(3)[labels] + rng.uniform(0, 0.02, (300, 3))
    given = labels.copy()
    given[[10, 20]] = (labels[[10, 20]] + 1) % 3
    issue, p_label = doubts(given, probabilities / probabilities.sum(1, keepdims=True))
    assert np.flatnonzero(issue).tolist() == [10, 20] and (p_label[issue] < 0.2).all()


def test_images_of_no_weight_are_not_listed():
    """A class of which none is left included."""
    rows = table({"arm": 0.9})
    weight = np.where(rows["image_id"] == "i3", 0.0, 1.0)
    listed, _ = ranked({"arm": (rows.assign(weight=weight), result(arm=0.9).details.folds["arm"])})
    assert len(listed) == IMAGES - 1 and "i3" not in set(listed["image_id"])
    listed, _ = ranked(
        {"arm": (rows.assign(weight=rows["label"].eq("good") * 1.0), result(arm=0.9).details.folds["arm"])}
    )
    assert not listed["issue"].any() and set(listed["label"]) == {"good"}


def test_arms_without_validation_and_of_fewer_repeats_are_left_out():
    tables = {"q": table({"arm": 0.9, "adapted": 0.9}), "once": table({"arm": 0.9}).query("repeat == 0")}
    unvalidated = result(arm=0.9)
    unvalidated.details.folds["adapted"] = [{"fold": 0}]
    assert list(candidates("t", {"q": unvalidated, "once": result(arm=1.0)}, tables)) == ["q arm"]
    assert candidates("other", {"q": unvalidated}, tables) == {}


def test_a_column_is_examined_through_the_targets_that_no_other_includes():
    assert examined({"part": {"a"}, "all": {"a", "b"}, "same": {"a", "b"}, "apart": {"c"}}) == ["all", "apart"]


def test_a_target_inside_another_has_its_count():
    part = table({"arm": 0.9}).query("image_id in ['i1', 'i2', 'i3', 'i4']")
    tables, results = {"q": table({"arm": 0.9}), "p": part}, {"q": result(arm=0.9), "p": result("part", arm=0.9)}
    (issues,) = found(params(("part", "t")), tables=tables, results=results)
    assert issues.target == "t" and issues.tested == {"part": (4, 1), "t": (IMAGES, 3)}


def test_contradictions_are_near_duplicates_and_known_pairs_by_finer_labels():
    names = [f"images/cell{n}.png" for n in (1735, 2277, 1736, 2278, 5, 6, 7, 8)]
    rows = pd.DataFrame(
        {
            "name": names,
            "label": ["bad", "bad", "good", "good", "bad", "good", "bad", "bad"],
            "finer": ["1", "1", "0", "1/3", "1", "0", "1", "1"],
            "type": ["x", "y", "x", "x", "x", "x", "x", "x"],  # decides no label
            "cluster": [0, 0, 1, 1, 2, 2, 3, 3],
        }
    )
    labels = ["label", "finer", "type"]
    assert contradictions(rows, "elpv", labels) == {NEAR: [[4, 5]], TWICE: [[2, 3]]}
    assert contradictions(rows, "folder", labels) == {NEAR: [[4, 5]]}
    assert contradictions(rows.assign(label="bad"), "folder", ["label"]) == {}


def test_recall_and_what_chance_gives():
    share, chance = recall([[0, 3], [2]], 4)
    assert share.tolist() == [0, 0.5, 0.5, 1, 1]
    pair = [1 - (4 - k) * (3 - k) / 12 for k in range(5)]
    np.testing.assert_allclose(chance, [(pair[k] + k / 4) / 2 for k in range(5)])


# ---- what is shown ---------------------------------------------------------------------------------------------------


def shown(issues):
    (made,) = section.sections(builders.report_data({"q": builders.transfer()}, label_issues=issues))
    texts = [block.text for block in made.blocks if isinstance(block, Paragraph) and block.role == "item"]
    return texts, [block for block in made.blocks if isinstance(block, Figure)], made


def test_nothing_is_shown_where_nothing_was_examined():
    assert section.sections(builders.report_data({"q": builders.transfer()})) == []
    assert issues_table([]).columns.tolist() == COLUMNS


def test_the_section_counts_labels_and_the_tested_images_that_rest_on_them():
    texts, figures, made = shown(found())
    assert texts == [
        "d, label: 3 of 120 labels look wrong. These networks disagree with 2% of all labels: many on the list may be "
        "their errors."
    ]
    (rows,) = (block.rows for block in made.blocks if isinstance(block, Table))
    assert rows == [["t", "label", "120", "3", "2.5%", "q good arm (4)"]]
    assert len(figures) == 2 and all(figure.webp.startswith(b"RIFF") for figure in figures)  # a sheet a label


def test_weights_and_contradictions_are_told_where_there_are_any():
    sure = np.where(np.arange(IMAGES) == 3, 0.5, 1.0)
    cluster = np.where(np.arange(IMAGES) == 3, 1, np.arange(IMAGES))  # with image 1, which has the label that 3 had
    issues = found(params(weights=["sure"]), manifest(sure=sure, cluster=cluster))
    texts, figures, _ = shown(issues)
    assert texts[1].startswith("Sure is below 1 for 1 of these 3.")
    assert texts[2] == (
        "A check: of 1 groups of near-duplicates with more than one label, where a label is likely wrong, the list "
        "reaches 1; a random list of its length reaches 0.0."
    )
    assert len(figures) == 3 and "share found" in figures[2].svg


def test_weights_that_differ_everywhere_say_nothing_of_certainty():
    texts, *_ = shown(found(params(weights=["sure"]), manifest(sure=np.linspace(0.1, 1, IMAGES))))
    assert len(texts) == 1


def test_a_column_without_doubts_says_so_and_has_no_sheet():
    tables = {"q": table({"arm": 0.9}).assign(p_bad=0.5, p_good=0.5)}
    texts, figures, _ = shown(found(tables=tables, results={"q": result(arm=0.9)}))
    assert texts[0].startswith("d, label: none of 120 labels looks wrong.") and figures == []


@pytest.mark.parametrize("classes", [2, 3])
def test_of_more_than_two_classes_pictures_are_together(classes):
    (issues,) = found()
    assert set(issues.pictures) == {"bad", "good"}
    listed = issues.images.assign(label=[f"c{at % classes}" for at in range(IMAGES)])
    assert len(pictures(listed, np.zeros((IMAGES, 8, 8, 1), "uint8"), "")) == (2 if classes == 2 else 1)


def test_list_and_pages_repeat_to_the_byte_and_a_formula_in_a_name_is_text(tmp_path):
    names = ["=1+1.png" if at == 3 else f"{at}.png" for at in range(IMAGES)]
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        write_csv(file, issues_table(found(listed=manifest(name=names))))
    assert files[0].read_bytes() == files[1].read_bytes()
    lines = files[0].read_text().splitlines()
    assert lines[1] == "d,label,'=1+1.png,bad,good,0.1,0.9,,i3" and len(lines) == 4
    curve = {"pairs": recall([[0, 3]], 4)}
    assert recall_figure(curve, 2) == recall_figure(curve, 2)


def test_the_manifests_columns_may_be_called_as_those_of_the_list():
    listed = pd.DataFrame({"image_id": ["i0"], "label": ["bad"], "issue": [True]})
    table = described(listed, manifest(issue=["x"] * IMAGES), "", ["issue"])
    assert table.loc[0, "issue"] and table.loc[0, "issue_other"] == "x" and np.isnan(table.loc[0, "weight"])
