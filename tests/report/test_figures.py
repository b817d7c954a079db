"""Figures: valid SVG for any labels, the same bytes for the same rows, and undefined values draw nothing."""

import re
import xml.etree.ElementTree as ElementTree

import builders
import matplotlib
import numpy as np
import pandas as pd
import pytest
from drawn_report import study

from pipeline.report import confusion, figures
from pipeline.report.plot_rows import mean_roc

HOSTILE = ["$\\q$ {", "--><script>alert(1)</script>", "a|b & c", "$5 to $10", "Größe"]


def texts(svg):
    """All text of a figure; fails where it is no XML."""
    root = ElementTree.fromstring(svg)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    return "".join(root.itertext())


def squeezed(text):
    """Without blanks, at which lines may be broken."""
    return "".join(text.split())


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_shown_as_they_are(label):
    drawn = texts(confusion.confusion_figure(np.array([[3, 1], [0, 4]]), [label, "other"], "head"))
    assert squeezed(label) in squeezed(drawn)
    row = {"arm": "head", "positive": label, "false_positive_rate": 0.0, "true_positive_rate": 1.0}
    assert label in texts(figures.roc_figure(pd.DataFrame([row, row])))


def gains(**changes):
    row = {
        "question": "a-to-b",
        "role": "transfers",
        "reading": "end of training",
        "gain": 0.1,
        "ci_low": 0.0,
        "ci_high": 0.2,
        "evidence": "conclusive",
    }
    return pd.DataFrame([row | changes, row | {"reading": "equal compute"}])


def test_a_figure_repeats_to_the_byte_and_depends_on_its_rows():
    assert figures.forest_plot(gains(), "accuracy") == figures.forest_plot(gains(), "accuracy")
    assert figures.forest_plot(gains(), "accuracy") != figures.forest_plot(gains(gain=0.11), "accuracy")


def test_a_users_matplotlibrc_changes_nothing():
    plain = figures.forest_plot(gains(), "accuracy")
    theirs = {"axes.titlesize": 30, "lines.markersize": 20, "axes.grid": True, "savefig.dpi": 37, "font.size": 20}
    with matplotlib.rc_context(theirs):
        assert figures.forest_plot(gains(), "accuracy") == plain


def test_every_transfer_and_reading_is_named():
    shown = texts(figures.forest_plot(gains(), "accuracy"))
    assert "a-to-b" in shown and "(end of training)" in shown and "(equal compute)" in shown


@pytest.mark.parametrize("name", ["a-question-" * 9, "x" * 100])
def test_a_name_of_a_hundred_characters_leaves_room_for_the_gains(name, recwarn):
    rows = gains(question=name)
    drawn = figures.forest_plot(rows, "accuracy")
    assert squeezed(name) in squeezed(texts(drawn)) and not recwarn.list
    (axis,) = re.findall(r'<g id="patch_2">\s*<path d="M ([\d.]+) [\d.]+ \s*L ([\d.]+) ', drawn)
    assert float(axis[1]) - float(axis[0]) > 150  # points


def test_controls_are_drawn_otherwise():
    control = gains(role="controls").iloc[:1]
    assert "(control)" in texts(figures.forest_plot(control, "accuracy"))
    plain, apart = (figures.forest_plot(rows, "accuracy") for rows in (gains().iloc[:1], control))
    assert "#eeeeee" in apart and "#eeeeee" not in plain


def test_points_are_filled_where_conclusive():
    drawn = {
        evidence: figures.forest_plot(gains(evidence=evidence), "accuracy").count("fill: #ffffff; stroke: #")
        for evidence in ("conclusive", "inconclusive")
    }
    assert drawn == {"conclusive": 0, "inconclusive": 1}  # the first of two


def test_a_control_with_a_long_interval_does_not_squeeze_the_findings():
    """Its interval ends in arrows; every gain and every other interval is inside."""
    rows = pd.concat([gains(), gains(role="controls", ci_low=-9.0, ci_high=9.0)], ignore_index=True)
    assert figures._widest(rows) == pytest.approx(0.22)
    assert figures._widest(rows[rows["role"] == "controls"]) == pytest.approx(9.9)
    ticks = re.findall(r">(−?\d+\.\d+)</text>", figures.forest_plot(rows, "accuracy"))
    assert ticks and max(abs(float(tick.replace("−", "-"))) for tick in ticks) <= 0.25


def test_a_forest_plot_has_its_own_background_and_text_as_text():
    shown = figures.forest_plot(gains(), "roc_auc")
    assert 'style="fill: #ffffff"' in shown and ">gain in ROC AUC</text>" in shown


def test_figures_of_the_page_have_its_colours_and_no_background():
    """So that they are light or dark as it is."""
    drawn = [figures.roc_figure(curves("a")), figures.saving_figure(SAVING, "accuracy", "scratch"), *matrices(3)]
    drawn.append(figures.recall_figure({"a name": (np.linspace(0, 1, 5), np.linspace(0, 1, 5))}, 2))
    drawn.append(figures.labels_figure(study(), "accuracy"))
    for each in drawn:
        styles = " ".join(re.findall(r'style="([^"]*)"', each))
        assert not re.findall(r"#[0-9a-f]{3,6}\b", styles) and "var(--ink)" in styles


def test_a_long_name_in_a_legend_is_broken_and_stands_below_the_axes():
    name = "9 pairs that show the same with different labels, and more of them"
    drawn = figures.recall_figure({name: (np.linspace(0, 1, 5), np.linspace(0, 1, 5))}, 2)
    assert squeezed(name) in squeezed(texts(drawn)) and name not in drawn


def curves(*classes):
    corners = [(0.0, 0.0), (0.2, 0.9), (1.0, 1.0)]
    return pd.DataFrame(
        [
            {"positive": name, "false_positive_rate": x, "true_positive_rate": y / (index + 1), "arm": arm}
            for arm in ("head", "scratch")
            for index, name in enumerate(classes)
            for x, y in corners
        ]
    )


@pytest.mark.parametrize(("classes", "said"), [(("a",), "rate, a"), (tuple("abc"), "rate, mean of 3 classes")])
def test_an_arm_has_one_roc_curve_however_many_classes_there_are(classes, said):
    drawn = figures.roc_figure(curves(*classes))
    assert said in texts(drawn) and drawn.count("stroke: var(--orange)") == 2  # the curve, and its place in the legend


def test_the_mean_curve_is_the_mean_at_every_false_positive_rate():
    mean = mean_roc(curves("a", "b"))
    assert list(mean.columns) == list(curves("a").columns)
    head = mean[mean["arm"] == "head"]
    at = dict(zip(head["false_positive_rate"], head["true_positive_rate"], strict=True))  # the last of several
    assert at[0.2] == pytest.approx((0.9 + 0.45) / 2) and at[1.0] == pytest.approx((1.0 + 0.5) / 2)
    assert head["true_positive_rate"].iloc[0] == 0.0
    pd.testing.assert_frame_equal(mean_roc(curves("a")), curves("a"))


def test_an_undefined_gain_or_curve_is_left_out():
    texts(figures.forest_plot(gains(gain=None, ci_low=None, ci_high=None), "accuracy"))
    empty = pd.DataFrame(columns=["arm", "positive", "false_positive_rate", "true_positive_rate"])
    texts(figures.roc_figure(empty))


SAVING = builders.saving_rows()


def test_the_saving_names_its_arms_and_its_metric_and_marks_what_scratch_ended_with():
    drawn = figures.saving_figure(SAVING, "macro F1", "scratch")
    assert all(word in texts(drawn) for word in ("head", "scratch", "macro F1", "GFLOPs"))
    assert drawn == figures.saving_figure(SAVING, "macro F1", "scratch")
    lower = SAVING.assign(value=SAVING["value"].where(SAVING["gflops"] < 90, 0.6))
    assert figures.saving_figure(lower, "macro F1", "scratch") != drawn
    assert drawn.count("stroke-dasharray") == 1  # the dotted line


def test_a_saving_is_drawn_where_no_fold_has_the_metric():
    texts(figures.saving_figure(SAVING.assign(low=np.nan, high=np.nan), "ROC AUC", "scratch"))


def test_calibration_names_its_arms():
    bins = pd.DataFrame({"arm": "tuned", "confidence": [0.6, 0.9], "accuracy": [0.5, 1.0], "weight": [0.5, 0.5]})
    assert "tuned" in texts(figures.calibration_figure(bins))


# ---- confusion matrices ----------------------------------------------------------------------------------------------

ARMS = ("head", "tuned", "chosen", "scratch")


def matrices(classes, name="class {}", arms=ARMS):
    counts = (np.eye(classes) * 60 + np.arange(classes)[:, None] % 3).tolist()
    names = [name.format(index) for index in range(classes)]
    return confusion.confusion_figures(dict.fromkeys(arms, counts), names, ("chosen", "scratch"))


def inches(svg):
    """The width and the height of a figure."""
    root = ElementTree.fromstring(svg)
    return tuple(float(root.get(side).removesuffix("pt")) / 72 for side in ("width", "height"))


def type_sizes(svg):
    return {float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)}


def test_shares_are_of_the_true_class():
    shown = texts(confusion.confusion_figure(np.array([[30, 10], [0, 5]]), ["a", "b"], "head"))
    assert "75%" in shown and "25%" in shown and "100%" in shown


@pytest.mark.parametrize("classes", [1, 2, 3, 6, 10, 12, 13, 40, 50])
def test_numbers_fit_into_their_cells(classes):
    cell, points = confusion._sizes(classes)
    widest, lines = ("100%", 2) if classes <= confusion.SOME else ("100", 1)
    assert len(widest) * points * confusion.CHARACTER <= cell and lines * points * confusion.LINE <= cell
    assert points >= 6


@pytest.mark.parametrize(
    "name", ["{}", "class {:02} with a name of forty characters", "ein{:02}sehrlangesWort" + "x" * 20]
)
@pytest.mark.parametrize("classes", [2, 3, 10, 40])
def test_matrices_fit_the_page_in_a_legible_type_with_every_name_whole(classes, name):
    drawn = matrices(classes, name)[0]
    assert inches(drawn)[0] <= (4.5 if classes <= 3 else 11)  # a narrow screen, and a wide one
    assert min(type_sizes(drawn)) >= 6
    shown = squeezed(texts(drawn))
    assert all(shown.count(squeezed(name.format(index))) >= 2 for index in range(classes))


def test_a_script_that_the_font_lacks_is_shown_without_a_warning(recwarn):
    shown = texts(confusion.confusion_figure(np.array([[3, 1], [0, 4]]), ["欠陥", "良品"], "head"))
    shown += texts(figures.roc_figure(curves("欠陥"))) + texts(figures.forest_plot(gains(question="欠陥"), "accuracy"))
    assert shown.count("欠陥") >= 4 and not recwarn.list


def test_wide_characters_have_their_room():
    assert confusion.columns("ab 欠陥") == pytest.approx(3 + 2 / 0.6)
    wide, narrow = matrices(10, "欠" * 12 + "{}")[0], matrices(10, "x" * 12 + "{}")[0]
    assert inches(wide)[0] > inches(narrow)[0] + 0.5
    assert "欠" * 10 not in texts(matrices(2, "欠" * 10 + "{}")[0])  # broken to fit into a cell


def test_a_longer_name_is_cut_and_one_without_characters_draws():
    shown = texts(matrices(10, "{}" + "x" * 60)[0])
    assert f"7{'x' * 38}…" in shown and "x" * 40 not in shown
    texts(confusion.confusion_figure(np.zeros((2, 2)), ["", " "], "head"))


def test_of_many_classes_the_compared_arms_alone_are_drawn():
    assert [arm for arm, drawn in zip(ARMS, matrices(6), strict=True) if arm in texts(drawn)] == list(ARMS)
    compared, other = map(texts, matrices(7))
    assert "chosen" in compared and "scratch" in other


def test_a_hundred_classes_are_colours_without_numbers():
    drawn = matrices(100)[0]
    assert inches(drawn)[0] <= 13 and len(drawn) < 1_000_000
