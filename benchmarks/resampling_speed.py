"""How fast is the verdict's bootstrap? 10,000 resamples of 2,624 images, against one call a resample.

    python -m benchmarks.resampling_speed    # about a minute on one core; rewrites the .md

Times are of one core (`OMP_NUM_THREADS` is set before NumPy is imported) on whatever machine this runs on; the ratio is
of both in this one run.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from benchmarks.simulate_verdict import GROUPS, IMAGES, World, draw
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions
from pipeline.verdict.resampling import bootstrap_gain

RESAMPLES, CALLS = 10_000, 200
METRICS = {
    "balanced_accuracy": lambda y, p, w: balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
    "accuracy": lambda y, p, w: accuracy_score(y, p.argmax(1), sample_weight=w),
    "macro_f1": lambda y, p, w: f1_score(y, p.argmax(1), average="macro", sample_weight=w),
    "roc_auc": lambda y, p, w: roc_auc_score(y, p[:, 1], sample_weight=w),
}
HEAD = f"""# How fast the verdict's bootstrap is

Written by `python -m benchmarks.resampling_speed`: one gain with its interval, {RESAMPLES:,} resamples of
{IMAGES:,} images in {GROUPS} groups and 3 folds, on one core. `one by one`: scikit-learn called for both arms once a
resample (measured over {CALLS} resamples). The bound that was set: 2 seconds.

| metric | seconds | one by one, seconds | times as fast |
|---|---:|---:|---:|
"""


def vectorised(pairs: PairedPredictions, metric: str) -> float:
    """Seconds of one gain with its interval, the better of three."""
    times = []
    for _ in range(3):
        begun = perf_counter()
        bootstrap_gain(pairs, metric, seed=0, resamples=RESAMPLES)
        times.append(perf_counter() - begun)
    return min(times)


def one_by_one(pairs: PairedPredictions, metric: str) -> float:
    """Seconds of as many resamples of groups, one call of scikit-learn an arm and resample; folds are left out."""
    rng, groups = np.random.default_rng(0), int(pairs.group.max()) + 1
    begun = perf_counter()
    for _ in range(CALLS):
        counts: Array = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        for arm in pairs.arms():
            METRICS[metric](pairs.labels, arm, counts[pairs.group])
    return (perf_counter() - begun) * RESAMPLES / CALLS


def main() -> None:
    """Measure every metric that a verdict may be of, and write resampling_speed.md beside this file."""
    pairs = draw(World("speed", gain=0.05), np.random.default_rng(0))
    lines = []
    for metric in METRICS:
        fast, slow = vectorised(pairs, metric), one_by_one(pairs, metric)
        lines.append(f"| {metric.replace('_', ' ')} | {fast:.2f} | {slow:.0f} | {slow / fast:.0f} |")
        print(lines[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
