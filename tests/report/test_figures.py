"""Figures: valid SVG for any labels, the same bytes for the same rows, and undefined values draw nothing."""

import re
import xml.etree.ElementTree as ElementTree

import builders
import matplotlib
import numpy as np
import pandas as pd
import pytest

from pipeline.report import figures

HOSTILE = ["$\\q$ {", "--><script>alert(1)</script>", "a|b & c", "$5 to $10", "Größe"]


def texts(svg):
    """All text of a figure; fails where it is no XML."""
    root = ElementTree.fromstring(svg)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    return "".join(root.itertext())


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_are_shown_as_they_are(label):
    confusion = {"head": [[3, 1], [0, 4]], "scratch": [[0, 0], [2, 2]]}
    assert label in texts(figures.confusion_figure(confusion, [label, "other"]))
    row = {"arm": "head", "positive": label, "false_positive_rate": 0.0, "true_positive_rate": 1.0}
    assert label in texts(figures.roc_figure(pd.DataFrame([row, row])))


def gains(**changes):
    row = {
        "question": "a-to-b",
        "role": "transfers",
        "reading": "converged",
        "gain": 0.1,
        "ci_low": 0.0,
        "ci_high": 0.2,
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
    assert "a-to-b" in shown and "(converged)" in shown and "(equal compute)" in shown


def test_controls_are_drawn_otherwise():
    control = gains(role="controls").iloc[:1]
    assert "(control)" in texts(figures.forest_plot(control, "accuracy"))
    plain, apart = (figures.forest_plot(rows, "accuracy") for rows in (gains().iloc[:1], control))
    assert "#eeeeee" in apart and "#eeeeee" not in plain


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


def test_every_class_has_its_own_curve_and_none_is_joined_to_the_next():
    corners = [(0.0, 0.0), (0.2, 0.9), (1.0, 1.0)]

    def drawn(*classes):
        rows = [
            {"arm": "head", "positive": name, "false_positive_rate": x, "true_positive_rate": y}
            for name in classes
            for x, y in corners
        ]
        return figures.roc_figure(pd.DataFrame(rows))

    assert "of each class" in texts(drawn("a", "b", "c")) and "of a" in texts(drawn("a"))
    lines = [svg.count("stroke: #e69f00") for svg in (drawn("a"), drawn("a", "b", "c"))]
    assert lines == [2, 4]  # the legend's, then one a class


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


def test_shares_are_of_the_true_class():
    shown = texts(figures.confusion_figure({"head": np.array([[30, 10], [0, 5]]).tolist()}, ["a", "b"]))
    assert "75%" in shown and "25%" in shown and "100%" in shown
