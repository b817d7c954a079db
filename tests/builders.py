"""Results made by hand, as evaluate would write them, and the data of a report."""

import pandas as pd

from pipeline.report.data import ReportData
from pipeline.results.result import (
    Candidate,
    Ceiling,
    Compute,
    Details,
    EqualQuality,
    Forecast,
    Pretraining,
    Reading,
    Result,
    Spent,
    reading_fields,
)
from pipeline.results.run import Run, RunFacts, Score
from pipeline.verdict.decision import Verdict

QUALITIES = ("balanced_accuracy", "accuracy", "macro_f1", "roc_auc", "log_loss", "ece")
CLOCK = {"seconds": 10.0, "cpu_seconds": 19.6, "peak_memory_mb": 1234.5, "device": "cpu"}
SHA256 = "0123456789" * 6 + "abcd"
FORECAST = {
    "label": "positive",
    "positive_votes": 2,
    "votes": 3,
    "gflops": 70.0,
    "reason": "2 of 3 scores are higher",
    "scores": {"h_score": {"source": 2.0, "random": 1.0, "vote": "positive"}},
}


def verdict(gain=0.05, p=0.01, **fields):
    """A verdict on 100 images of 10 groups, in 2 repeats of 2 folds."""
    label = None if gain is None else "positive" if gain > 0 else "negative"
    fields = {"label": label, "gain": gain, "ci_low": 0.01, "ci_high": 0.09, "p": p, "evidence": "conclusive"} | fields
    size = {"images": 100, "groups": 10, "folds": 2, "repeats": 2}
    return Verdict("accuracy", alpha=0.05, level=0.05, margin=0.01, **size | fields)


def qualities(value):
    """The metrics of an arm."""
    return dict.fromkeys(QUALITIES, value)


def spent(gflops, backward=0.0, sweep=0.0, images=1000):
    """What an arm spent."""
    return Spent(gflops=gflops, backward_gflops=backward, sweep_gflops=sweep, images_seen=images)


def details(verdicts, equal=None, classes=("bad", "good"), against="scratch", **fields):
    """Details with one fold an arm."""
    arms = [*verdicts, against]
    fold = {"kept_epoch": 3, "epochs": 10, "forecast_sha256": SHA256}
    return Details(
        verdicts=verdicts,
        equal_compute=equal,
        classes=list(classes),
        confusion={arm: [[3, 1], [0, 4]] for arm in arms},
        **{
            "stopped_improving": {arm: [True] for arm in arms},
            "folds": {arm: [fold] for arm in arms},
            "labelled_images": 60.0,
            **fields,
        },
    )


TRAINED = {"trainings": 4, "level": 0.05}  # of every result

COMPUTE = Compute(
    arms={
        "head": spent(30.0, 10.0, 20.0),
        "tuned": spent(600.0, 250.0, 0.0, 2000),
        "scratch": spent(2000.0, 1500.0, 500.0, 3000),
    },
    extract_gflops=370.0,
    transfer_gflops=1000.0,
    scratch_gflops=2000.0,
    saved=0.5,
)


def transfer(judged=None, equal=None, **fields):
    """A transfer against scratch: head and tuned."""
    judged, equal = judged or verdict(), equal or verdict(0.04, 0.02)
    own = {
        "kind": "transfer",
        "setting": "inductive",
        "source": "tiny",
        "target": "defect",
        "baseline": "defect-tiny",
        "baseline_stopped_improving": True,
        "arm": "tuned",
        "against": "scratch",
        "arms": {"head": qualities(0.7), "tuned": qualities(0.8), "scratch": qualities(0.75)},
        "compute": COMPUTE,
        "equal_compute": Reading(**reading_fields(equal)),
        "cost_to_equal_quality": EqualQuality(
            gflops=300.0, scratch_gflops=1000.0, ratio=0.3, reached=True, reason=None
        ),
        "details": details({"head": verdict(0.01, 0.5, evidence="inconclusive"), "tuned": judged}, equal),
    }
    return Result(**{**TRAINED, **own, **reading_fields(judged), **fields})


def adaptation(judged=None, **fields):
    """An adaptation against the unadapted source."""
    judged = judged or verdict()
    arms = {"adapted": qualities(0.8), "source_only": qualities(0.75), "target_supervised": qualities(0.9)}
    own = {
        "kind": "adaptation",
        "setting": "transductive",
        "source": "tiny",
        "target": "defect",
        "arm": "adapted",
        "against": "source_only",
        "arms": arms,
        "compute": Compute(arms={"adapted": spent(5.0, 3.0, None, None)}, saved_reason="not compared with scratch"),
        "methods": {"coral": 2},
        "candidates": [
            Candidate(
                method="coral", strength=None, criterion=0.25, accuracy=0.7, balanced_accuracy=0.6, folds_chosen=2
            )
        ],
        "ceiling": Ceiling(arm="target_supervised", gain=0.15, ci_low=0.1, ci_high=0.2, reached=1 / 3),
        "details": details({"adapted": judged, "target_supervised": verdict(0.15)}, against="source_only"),
    }
    return Result(**{**TRAINED, **own, **reading_fields(judged), **fields})


def again(judged=None, **fields):
    """The null control: a baseline against the same once again."""
    judged = judged or verdict(-0.01, 0.6, evidence="inconclusive")
    own = {
        "kind": "again",
        "target": "defect",
        "baseline": "defect-tiny",
        "again": "defect-again",
        "baseline_stopped_improving": True,
        "control": "null",
        "arm": "again",
        "against": "scratch",
        "arms": {"again": qualities(0.74), "scratch": qualities(0.75)},
        "compute": Compute(arms={"again": spent(2000.0), "scratch": spent(2000.0)}, saved_reason="the same budget"),
        "details": details({"again": judged}),
    }
    return Result(**{**TRAINED, **own, **reading_fields(judged), **fields})


def rescaled(judged=None, **fields):
    """A part of a gain: rescaled random weights against scratch."""
    judged = judged or verdict(0.02, 0.2, evidence="inconclusive")
    own = {
        "kind": "rescaled",
        "target": "defect",
        "baseline": "defect-tiny",
        "baseline_stopped_improving": True,
        "arm": "rescaled",
        "against": "scratch",
        "arms": {"rescaled": qualities(0.77), "scratch": qualities(0.75)},
        "compute": Compute(arms={"rescaled": spent(2000.0), "scratch": spent(2000.0)}, saved_reason="the same budget"),
        "details": details({"rescaled": judged}),
    }
    return Result(**{**TRAINED, **own, **reading_fields(judged), **fields})


def pretraining(gflops=60.0, share=30.0, shared_by=2, reason=None):
    """What a source took."""
    known = gflops is not None
    return Pretraining(
        gflops=gflops,
        backward_gflops=gflops / 2 if known else None,
        images_seen=600 if known else None,
        share_gflops=share,
        shared_by=shared_by,
        reason=reason,
    )


def forecast(label="positive", correct=True):
    """A forecast."""
    return Forecast(label=label, positive_votes=2, votes=3, gflops=70.0, correct=correct)


def run_of(results, controls=None, forecasts=((0, 0), (0, 0)), studies=None, metric="accuracy"):
    """A run; `controls` as in its facts."""
    scores = {what: Score(correct=c, of=n) for what, (c, n) in zip(("transfers", "controls"), forecasts, strict=True)}
    facts = RunFacts(
        metric=metric,
        alpha=0.05,
        level=0.05,
        looks=[],
        margin=0.01,
        protocol="grouped",
        folds=2,
        repeats=2,
        image_size=32,
        controls=controls,
        failed_controls=[],
        forecasts=scores,
    )
    return Run(facts=facts, results=results, studies=studies or {})


def saving_rows():
    """Rows of the saving curve."""
    rows = [
        ("head", 5.0, 0.5, 0.4, 0.6),
        ("head", 9.0, 0.7, 0.6, 0.8),
        ("scratch", 0.0, 0.5, 0.5, 0.5),
        ("scratch", 30.0, 0.65, 0.6, 0.7),
        ("scratch", 90.0, 0.65, 0.6, 0.7),
    ]
    return pd.DataFrame(rows, columns=["arm", "gflops", "value", "low", "high"])


def report_data(results, **fields):
    """The data of a report without params."""
    return ReportData(run_of(results), **fields)
