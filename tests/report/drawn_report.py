"""A report with every section, from results made by hand."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import builders
import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.report.contact_sheet import Picture
from pipeline.report.data import ReportData
from pipeline.report.disputed import Side, Thumbnail
from pipeline.report.label_issues import NEAR, TWICE, LabelIssues
from pipeline.report.sections import all_sections
from pipeline.results.result import Advice, Interval, reading_fields
from pipeline.results.run import Bound, Estimate, Study, Times

CLOCKS = dict.fromkeys(("pretrain", "extract", "head", "tune", "scratch", "forecast"), builders.CLOCK)


def study(**fields):
    estimate = Estimate(value=0.7, ci_low=0.6, ci_high=0.8)
    bounds = [Bound(value=2.0, side="inside"), Bound(value=1.0, side="below"), Bound(value=20.0, side="above")]
    times = Times(value=bounds[0], ci_low=bounds[1], ci_high=bounds[2])
    own = {
        "questions": ["q5", "q100"],
        "fractions": [0.05, 1.0],
        "images": [60.0, 1200.0],
        "curves": {arm: [estimate] * 2 for arm in ("tuned", "scratch")},
        "times": {"tuned": [times, Times(value=bounds[2], ci_low=None, ci_high=None)]},
        "gains": {"tuned": [Interval(gain=0.1, ci_low=0.0, ci_high=0.2)] * 2},
        "reason": None,
    }
    return Study(**(own | fields))


# what a result may have that a card or a section speaks of
CAVEATS = {
    "failed": {"scratch": 1},
    "earlier_repeats": [1],
    "baseline_stopped_improving": False,
    "choices": {"tuned": 2},
}
OPEN = {"evidence": "inconclusive", "p": 0.04, "p_holm": 0.2, "not_worse": True, "smallest_detectable_gain": 0.08}
IMPRACTICAL = "repeats_needed: a gain of 0.05 is not practically detectable (more than 10 times the repeats or groups)"
CARD = {
    "architecture": "resnet", "parameters": 9, "origin": "random weights", "licence": "none", "weights": "random",
    "cost": {"reason": None},
}  # fmt: skip
PRETRAINED = CARD | {
    "weights": "pretrained", "pretrain": "simclr", "init": "r", "images": 9, "dataset": "d", "labels_used": None,
    "cost": {"reason": "not published with the weights", "images_seen": 9, "gflops": 9.0, "inherited_gflops": 9.0},
    "origin": "simclr pretraining on d, from random weights", "labels_inherited": ["d.kind"], "permuted": False,
    "licence": "weights it began with: none; images: not stated", "pretext": {"accuracy": 0.9, "chance": 0.25},
    "representation": {"rank": 3.0, "variance": 0.01}, "citation": "A. 2020",
}  # fmt: skip
DATASET = {
    "card": {"title": "Images of the folder raw", "licence": "not stated", "citation": "none", "group_is_proxy": False},
    "images": 9, "quarantined": 0, "groups": 3, "near_duplicates": 0,
}  # fmt: skip


def curves():
    """Rows of the ROC and of the calibration, of three classes."""
    roc = [
        {"arm": arm, "positive": label, "false_positive_rate": x, "true_positive_rate": x}
        for arm in ("tuned", "scratch")
        for label in ("bad", "good")
        for x in (0.0, 1.0)
    ]
    points = [{"arm": arm, "confidence": 0.9, "accuracy": 0.8, "weight": 1.0} for arm in ("tuned", "scratch")]
    return {"roc": pd.DataFrame(roc), "calibration": pd.DataFrame(points), "saving": builders.saving_rows()}


def advice(**fields):
    """A gain over the best of two baselines."""
    found = builders.verdict(0.03, **fields)
    return Advice(**reading_fields(found), level=0.05, baselines={"small": 1, "large": 3})


def params():
    """The params that sections read."""
    run = {"image_size": 32, "folds": 2, "protocol": "grouped", "augmentation": "mirror", "seed": 7}
    target = SimpleNamespace(dataset="d", image_size=None)
    used = {name: SimpleNamespace(source=name, target="defect") for name in ("made", "given", "r")}
    drawn = SimpleNamespace(
        transfers=used,
        adaptations={"b": SimpleNamespace(source="made", target="few")},
        pretrained={"made": None},
        sources={"given": SimpleNamespace(weights="imagenet"), "r": SimpleNamespace(weights="random")},
        run=SimpleNamespace(**run),
        datasets={"d": SimpleNamespace(image_size=None)},
        targets={"defect": target},
        scratch=SimpleNamespace(epochs=10),
    )
    drawn.uses = partial(Params.uses, drawn)
    return drawn


def shared(*rows):
    """What the stage leakage found: source, target, kind, image, group."""
    columns = ["source", "learnt_by", "target", "kind", "image", "other", "group"]
    return pd.DataFrame([(*row[:1], "made", *row[1:4], "x.png", *row[4:]) for row in rows], columns=columns)


def disputed():
    """Two images on which arms disagree: one is right in either way."""
    images = [Thumbnail(np.full((8, 8, 1), grey, "uint8"), "bad", {"tuned": 0.9, "scratch": 0.1}) for grey in (10, 200)]
    return [Side("tuned", "scratch", 1, images[:1]), Side("scratch", "tuned", 1, images[1:])]


def doubtful():
    """Labels that look wrong, with and without a weight, pictures and contradictions."""
    rows = {
        "image_id": ["i", "j"], "row": [0, 1], "name": ["a/1.png", "a/2.png"], "label": ["x", "y"],
        "suggested": ["y", "y"], "p_label": [0.1, 0.8], "p_suggested": [0.9, 0.8], "weight": [0.5, 1.0],
        "issue": [True, False],
    }  # fmt: skip
    found = LabelIssues(
        dataset="d", label="kind", target="t", arms={"a tuned": 2}, images=pd.DataFrame(rows), weight="trust",
        tested={"t": (2, 1), "u": (1, 0)}, contradictions={NEAR: [[0, 1]], TWICE: [[0, 1]]},
        pictures={"x": [Picture(np.zeros((8, 8, 1), "uint8"), ("x 0.10", "1.png"))]},
    )  # fmt: skip
    none = pd.DataFrame(rows).assign(issue=False)
    several = replace(found, pictures={"": found.pictures["x"]})
    return [found, several, replace(found, images=none, contradictions={}, pictures={})]


def everything():
    """Every section, with every kind of question and of outcome."""
    verdict = builders.verdict
    needless = verdict(-0.01, evidence="inconclusive", ci_low=-0.03, ci_high=0.009)
    coral = {"adapted": needless, "coral": verdict(), "target_supervised": verdict(0.15)}
    frozen = {"arm": "head", "arms": {"head": builders.qualities(0.7), "scratch": builders.qualities(0.75)}}
    paid = builders.COMPUTE.model_copy(update={"pretraining": builders.pretraining(), "saved_amortised": -1.5})
    results = {
        "a": builders.transfer(forecast=builders.forecast(), compute=paid, advice=advice(), **CAVEATS),
        "lost": builders.transfer(verdict(-0.05, ci_low=-0.09, ci_high=-0.01)),
        "open": builders.transfer(verdict(**OPEN, repeats_needed=5, groups_needed=40)),
        "more": builders.transfer(verdict(**OPEN, groups_needed=40)),
        "never": builders.transfer(verdict(**OPEN, reasons=(IMPRACTICAL,)), advice=advice(evidence="inconclusive")),
        "same": builders.transfer(verdict(0.002, evidence="equivalent"), advice=advice()),
        "beaten": builders.transfer(advice=advice().model_copy(update={"label": "negative"})),
        "b": builders.adaptation(needless, details=builders.details(coral, against="source_only")),
        "frozen": builders.transfer(verdict(-0.05, ci_low=-0.09, ci_high=-0.01), **frozen, details=None),
        "far": builders.transfer(verdict(**OPEN, repeats_needed=500, groups_needed=40), failed={"scratch": 1}),
        "n": builders.again(held=True),
        "null": builders.again(verdict(0.002, evidence="equivalent"), held=True),
        "p": builders.transfer(control="planted_negative", held=True, evidence="inconclusive"),
        "scaling": builders.rescaled(part_of="a", share=0.4),
    }
    run = builders.run_of(results, "held", forecasts=((1, 2), (1, 1)), studies={"s": study()})
    return all_sections(
        ReportData(
            run,
            params=params(),
            cost=dict.fromkeys(results, CLOCKS),
            forecasts={
                "a": builders.FORECAST
                | {"reason": "2 of 3 scores rate the source's features above those of random weights"}
            },
            plots={"a": curves()},
            disputed={"a": disputed()},
            leakage=shared(("made", "defect", "close hash, other texture", "1.png", "g")),
            datasets={"d": DATASET},
            cards={"r": CARD, "s": PRETRAINED},
            label_issues=doubtful(),
        )
    )
