"""Does the verdict's interval hold what it promises? Simulated predictions with a gain that is known exactly.

    python -m benchmarks.simulate_verdict            # about 10 minutes on one core; rewrites the .md and its figure
    python -m benchmarks.simulate_verdict --power    # the last part alone, about 1 minute: the rows and the figure
    python -m benchmarks.simulate_verdict --runs 200 # a look, within about 40 s; writes nothing

Model: an arm is right about image i (group g, class y, fold f) where
`mean + shared[g, y] + own[g, y] + run[f] + shared[i] + noise > 0`, all terms normal and independent. Both arms share
the `shared` terms, which is what makes their predictions correlated; `run` is the seed effect of an arm on a fold.
So the true accuracy, and balanced accuracy, of an arm is Phi(mean / total s.d.), and the true gain is exact.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import binomtest, norm, t

from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions, UndefinedGain, pair
from pipeline.verdict.power import Precision, smallest_detectable_gain
from pipeline.verdict.resampling import bootstrap_gain
from pipeline.verdict.significance import p_two_sided

METRIC = "balanced_accuracy"
GROUPS, IMAGES = 44, 2_624
RESAMPLES = 1_000  # a run of the pipeline takes 10,000; the mean over runs needs fewer

# Measured on ELPV in November 2026: 44 blocks, 3 folds, two small networks on block means and edge energy of the
# images, six seeds. 16-19 % of images right under one arm only; intraclass correlation in blocks .17-.23 for being
# right, .03-.07 (within a class .0-.17) for the difference of the arms; balanced gain of one fold: s.d. .017-.021
# between seeds, .018-.028 between resamples of groups; prevalence of defects per block .27 with s.d. .28.
ELPV = {"group_shared": 0.8, "group_own": 0.18, "run": 0.047, "image_shared": 0.75, "noise": 0.4}
ELPV_PREVALENCE = (0.41, 1.1)  # Beta


@dataclass(frozen=True)
class World:
    """What is simulated: the true gain, the number of folds, and standard deviations of the model's terms."""

    name: str
    gain: float
    folds: int = 3
    group_shared: float = ELPV["group_shared"]
    group_own: float = ELPV["group_own"]
    run: float = ELPV["run"]
    image_shared: float = ELPV["image_shared"]
    noise: float = ELPV["noise"]
    baseline: float = 0.68
    groups: int = GROUPS
    images: int = IMAGES

    def total(self) -> float:
        """Give the standard deviation of an arm's score."""
        parts = (self.group_shared, self.group_own, self.run, self.image_shared, self.noise)
        return float(np.sqrt(np.square(parts).sum()))


def draw(world: World, rng: np.random.Generator) -> PairedPredictions:
    """Draw the tested predictions of two arms on a target of ELPV's shape."""
    groups, images = world.groups, world.images
    group = np.sort(rng.integers(groups, size=images))
    fold = rng.permutation(np.arange(groups) % world.folds)[group]
    labels = (rng.uniform(size=images) < rng.beta(*ELPV_PREVALENCE, size=groups)[group]).astype(np.int64)
    common = world.group_shared * rng.standard_normal((groups, 2))[group, labels]
    common += world.image_shared * rng.standard_normal(images)
    arms = []
    for accuracy in (world.baseline + world.gain, world.baseline):
        own = world.group_own * rng.standard_normal((groups, 2))[group, labels]
        own += world.run * rng.standard_normal(world.folds)[fold] + world.noise * rng.standard_normal(images)
        right = norm.cdf(norm.ppf(accuracy) * world.total() + common + own)
        arms.append(np.column_stack([np.where(labels == c, right, 1 - right) for c in (0, 1)]))
    return pair(labels, arms[0], arms[1], fold, group)


def hierarchical(pairs: PairedPredictions, seed: int) -> Array:
    """The pipeline's interval: low, high, p, smallest detectable gain."""
    found = bootstrap_gain(pairs, METRIC, seed=seed, resamples=RESAMPLES)
    if found.spread is None:
        raise UndefinedGain("the folds' spread is undefined")
    detectable = smallest_detectable_gain(Precision(found.groups_variance, found.spread), alpha=0.05)
    return np.array([found.ci_low, found.ci_high, p_two_sided(found.samples), detectable])


def groups_only(pairs: PairedPredictions, seed: int) -> Array:
    """Groups, but no seed variance."""
    found = bootstrap_gain(pairs, METRIC, seed=seed, resamples=RESAMPLES, ignore_folds=True)
    return np.array([found.ci_low, found.ci_high, p_two_sided(found.samples), np.nan])


def images_only(pairs: PairedPredictions, seed: int) -> Array:
    """The usual bootstrap of test images, which ignores groups and folds."""
    found = bootstrap_gain(pairs, METRIC, seed=seed, resamples=300, ignore_groups=True, ignore_folds=True)
    return np.array([found.ci_low, found.ci_high, p_two_sided(found.samples), np.nan])


def images_and_folds(pairs: PairedPredictions, seed: int) -> Array:
    """The pipeline's interval with every image as its own group."""
    found = bootstrap_gain(pairs, METRIC, seed=seed, resamples=300, ignore_groups=True)
    return np.array([found.ci_low, found.ci_high, p_two_sided(found.samples), np.nan])


def student(pairs: PairedPredictions, seed: int) -> Array:
    """Student's t over the folds' gains, the yardstick that assumes nothing about their spread."""
    found = bootstrap_gain(pairs, METRIC, seed=seed, resamples=10, ignore_folds=True)  # only for its fold gains
    gains = np.array([gain for gain in found.fold_gains if gain is not None])
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    half = t.ppf(0.975, len(gains) - 1) * error
    p = 2 * t.sf(abs(gains.mean()) / error, len(gains) - 1)
    return np.array([gains.mean() - half, gains.mean() + half, p, np.nan])


HEAD = """# What the verdict's interval holds

Written by `python -m benchmarks.simulate_verdict`, which also says what is simulated. 95 % intervals of the gain in
balanced accuracy, 2,624 images in 44 groups. A row of 2,000 runs is uncertain by 1.0 points (95 %), of 1,000 by
1.4, of 400 by 2.2. `wrong sign` counts conclusive verdicts against a true gain that is not zero.

- `hierarchical`: the interval of the verdict. `groups_only`: without seed variance. `images_only`: the usual
  bootstrap of test images. `images_and_folds`: as the verdict's, with every image its own group.
- `student`: t over the folds' gains, which assumes nothing about the spread of folds and pays for it in width.
"""
OTHERS = """
## Other worlds

What if targets are not like ELPV? Two or three folds cannot tell whether there is seed variance. The verdict's prior
allows both: where there is none the interval is too wide, so that fewer than 5 % of nulls are conclusive; where it is
several times the variance of groups, the interval is about as wide as Student's, and coverage approaches its nominal
level from below. More folds bring both nearer to it. The last two are of the size of a pool of ELPV, as most
comparisons of the default run: with seven groups a fold the interval is wider than it need be. By measure_effects.md,
groups matter more to these than in the world above and seed variance less: they are judged with too much care rather
than too little.
"""
POWER = """
## Power

The same ELPV-like world with other gains: how often the verdict is conclusive. `smallest detectable gain` is what
a verdict claims to find with 80 % power: the open points of the figure (median, and the middle half of the runs), which
should lie on the curves. A run cannot know its seed variance from three or five folds, so claims differ from run
to run; what they should be right about is their promise, on average. Bars are 95 % intervals of the share (Wilson).

![Share of conclusive verdicts against the true gain](simulate_verdict_power.svg)
"""

INTERVALS = {f.__name__: f for f in (hierarchical, groups_only, images_only, images_and_folds, student)}
SLOW = {"images_only", "images_and_folds"}  # every image is drawn: a fifth of the runs


@dataclass(frozen=True)
class Row:
    """What a cell came to: shares of its runs, the median width, and the smallest detectable gain of every run."""

    world: World
    interval: str
    runs: int
    covered: float
    conclusive: float
    wrong_sign: float
    width: float
    detectable: Array

    def cells(self) -> list[str]:
        """Give the cells of the table."""
        shares = [f"{share:.1%}" for share in (self.covered, self.conclusive, self.wrong_sign)]
        claim = "" if np.isnan(self.detectable).all() else f"{np.nanmedian(self.detectable):.3f}"
        return [
            self.world.name,
            f"{self.world.folds}",
            self.interval,
            f"{self.runs}",
            *shares,
            f"{self.width:.3f}",
            claim,
        ]


def simulate(world: World, interval: str, runs: int) -> Row:
    """Run one cell."""
    rows = []
    for run in range(runs):
        pairs = draw(world, np.random.default_rng([run, world.folds]))
        try:
            rows.append(INTERVALS[interval](pairs, run))
        except UndefinedGain:
            rows.append(np.array([-np.inf, np.inf, 1.0, np.nan]))  # no interval, so no claim
    low, high, p, detectable = np.array(rows).T
    return Row(
        world,
        interval,
        runs,
        covered=float(np.mean((low <= world.gain) & (world.gain <= high))),
        conclusive=float(np.mean(p < 0.05)),
        wrong_sign=float(np.mean((p < 0.05) & ((low + high) / 2 * world.gain < 0))),
        width=float(np.median(high - low)),
        detectable=detectable,
    )


def worlds() -> tuple[list[tuple[World, str]], ...]:
    """Give (main cells, other worlds, power cells) as (world, interval)."""
    null = World("ELPV-like, null", gain=0.0)
    planted = World("ELPV-like, gain .05", gain=0.05)
    cells = [(world, interval) for world in (null, planted) for interval in INTERVALS]
    variants = [
        replace(null, name="ELPV-like, null, 5 folds", folds=5),
        replace(planted, name="ELPV-like, gain .05, 5 folds", folds=5),
        replace(null, name="half the fold effect", run=null.run / 2),
        replace(null, name="twice the fold effect", run=null.run * 2),
        replace(null, name="four times the fold effect", run=null.run * 4),
        replace(null, name="ten times the fold effect", run=null.run * 10),
        replace(null, name="ten times the fold effect, 5 folds", run=null.run * 10, folds=5),
        replace(null, name="no fold effect", run=0.0),
        replace(null, name="twice the group effect of an arm", group_own=null.group_own * 2),
        replace(null, name="no group effect of an arm", group_own=0.0),
        replace(null, name="20 groups, 1,310 images", groups=20, images=1_310),
        replace(null, name="the same, twice the group effect of an arm", groups=20, images=1_310, group_own=0.36),
    ]
    others = [(world, interval) for world in variants for interval in ("hierarchical", "student")]
    gains = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
    power = [(World(f"{g:.2f}", gain=g, folds=k), "hierarchical") for k in (3, 5) for g in gains]
    return cells, others, power


def run(cells: list[tuple[World, str]], runs: int) -> list[Row]:
    """Simulate the worlds, printing each row as it is done."""
    rows = []
    for world, interval in cells:
        rows.append(simulate(world, interval, max(1, runs // 5) if interval in SLOW else runs))
        print(" | ".join(rows[-1].cells()), flush=True)
    return rows


def table(rows: list[Row]) -> list[str]:
    """Give the Markdown lines."""
    heads = ["world", "folds", "interval", "runs", "covers the truth", "conclusive", "conclusive, wrong sign"]
    heads += ["median width", "smallest detectable gain"]
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *(row.cells() for row in rows))]


def of_folds(rows: list[Row], folds: int) -> tuple[Array, Array, Array]:
    """Give the rows with so many folds: true gains, shares of conclusive verdicts, and what all runs claimed."""
    of = [row for row in rows if row.world.folds == folds]
    gains, shares = (np.array(values) for values in zip(*((r.world.gain, r.conclusive) for r in of), strict=True))
    return gains, shares, np.concatenate([row.detectable for row in of])


def kept_promises(rows: list[Row]) -> list[str]:
    """Say, for three and five folds, in how many runs a gain as large as a run claims is found, on average."""
    lines = []
    for folds in (3, 5):
        gains, shares, claims = of_folds(rows, folds)
        low, high = np.nanquantile(claims, (0.25, 0.75))
        lines.append(
            f"With {folds} folds, the gain that a run claims to find in 80 % is found in "
            f"{np.nanmean(np.interp(claims, gains, shares)):.0%}, on average over runs; half of the claims are between "
            f"{low:.3f} and {high:.3f}, and {np.interp(0.8, shares, gains):.3f} would be right in this world.\n"
        )
    return lines


def power_figure(rows: list[Row]) -> Figure:
    """Draw the share of conclusive verdicts, with its 95 % interval (Wilson), and where runs claim 80 %."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for folds, colour in ((3, "#0072b2"), (5, "#e69f00")):
        gains, shares, claims = of_folds(rows, folds)
        runs = [row.runs for row in rows if row.world.folds == folds]
        hits = [round(share * n) for share, n in zip(shares, runs, strict=True)]
        found = [binomtest(k, n).proportion_ci(method="wilson") for k, n in zip(hits, runs, strict=True)]
        low, high = np.array([(interval.low, interval.high) for interval in found]).T
        axes.errorbar(gains, shares, (shares - low, high - shares), color=colour, label=f"{folds} folds")
        quarter, median, three = np.nanquantile(claims, (0.25, 0.5, 0.75))
        middle = [[median - quarter], [three - median]]
        style = {"color": colour, "markerfacecolor": "white", "label": f"claimed, {folds} folds"}
        axes.errorbar([median], [0.8], xerr=middle, fmt="o", linewidth=0.8, zorder=3, **style)
    for level in (0.05, 0.8):
        axes.axhline(level, color="black", linewidth=0.6, linestyle=":")
    axes.set_yticks([0, 0.05, 0.2, 0.4, 0.6, 0.8, 1], ["0", "5%", "20%", "40%", "60%", "80%", "100%"])
    axes.set_xlabel("true gain in balanced accuracy")
    axes.set_ylabel("conclusive verdicts")
    axes.legend(frameon=False)
    return figure


def main() -> None:
    """Simulate all worlds and write simulate_verdict.md, with its figure, beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=None, help="simulated data sets a row; nothing is written if given")
    parser.add_argument(
        "--power", action="store_true", help="the last part alone; the others stay as they were written"
    )
    options = parser.parse_args()
    runs, file = options.runs, Path(__file__).with_suffix(".md")
    cells, others, power = worlds()
    if options.power:
        begun = file.read_text(encoding="utf-8").partition("\n## Power")[0].rstrip("\n")
    else:
        parts = [HEAD, *table(run(cells, runs or 2_000)), OTHERS, *table(run(others, runs or 1_000))]
        begun = "\n".join(parts)
    rows = run(power, runs or 400)
    text = "\n".join([begun, POWER, *kept_promises(rows), *table(rows)]) + "\n"
    if runs is not None:
        print(text)
        return
    file.write_text(text, encoding="utf-8")
    with rc_context({"svg.hashsalt": "transfer-verdict", "svg.fonttype": "none", "font.family": "sans-serif"}):
        picture = file.with_name("simulate_verdict_power.svg")
        power_figure(rows).savefig(picture, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
