"""Does the verdict's interval hold what it promises? Simulated predictions with a gain that is known.

    python -m benchmarks.simulate_verdict            # about 20 minutes on one core; rewrites the .md
    python -m benchmarks.simulate_verdict --runs 20  # a look, within 2 minutes; prints, writes nothing

Model: in training j of repeat r an arm is right about image i (group g, class y) where

    mean + shared[g, y] + image[i] + both[j] + own[g, y] + redrawn[g, y, r] + seed[j] + side(y) threshold[j] + noise > 0

All terms are normal and independent. Both arms share `shared`, `image` and `both`, which makes their predictions alike;
the others are drawn for each arm. So the expected recall of a class, hence balanced accuracy, of an arm is
Phi(mean / total s.d.) and its gain is exact. Of ROC AUC the null gain is exact, the other the mean of runs of its own.
"""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.stats import norm

from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import PairedPredictions, UndefinedGain
from pipeline.verdict.planning import smallest_detectable_gain
from pipeline.verdict.t_test import Components, estimate
from pipeline.verdict.trainings import Trainings, gains

DESIGNS = ((3, 1), (3, 3), (2, 5), (3, 5), (3, 10))  # folds, repeats
GAIN, LEVEL, FAMILY, BASELINE = 0.08, 0.05, 4, 0.68
ORDINARY = (0.93, 0.97)  # coverage outside of it is named in the .md


@dataclass(frozen=True)
class World:
    """What is simulated: sizes, and standard deviations of the model's terms.

    The defaults give the variances of the gain that real repeats on 20 groups of ELPV with 50 labels a class have
    (docs/statistics.md): of a repeat about .0018, of which .0005 is seed variance, and .0001 that no repeat reduces.
    """

    name: str
    groups: int = 20
    images: int = 1_310
    shared: float = 0.8
    image: float = 0.75
    both: float = 0.0
    own: float = 0.1
    redrawn: float = 0.4
    seed: float = 0.09
    threshold: float = 0.15
    noise: float = 0.4
    source: float = 0.0
    prevalence: tuple[float, float] = (0.41, 1.1)  # Beta, of class 1 in a group: mean .27, s.d. .28
    classes: int = 2
    failing: float = 0.0
    uneven: bool = False
    split: bool = False
    metric: str = "balanced_accuracy"

    def total(self) -> float:
        """The standard deviation of an arm's score; that of a source is not part of it."""
        parts = (self.shared, self.image, self.both, self.own, self.redrawn, self.seed, self.threshold, self.noise)
        return float(np.sqrt(np.square(parts).sum()))


WORLDS = (
    World("20 groups, as ELPV's pools"),
    World("40 groups, as all of ELPV", groups=40, images=2_624),
    World("ten classes", classes=10),
    World("8 % positives", prevalence=(0.41, 4.7)),
    World("lasting effect of an arm on groups", own=0.35),
    World("large seed variance", seed=0.3),
    World("no seed variance", seed=0.0, threshold=0.0),
    World("15 % of baselines fail", failing=0.15),
    World("effects of a training on both arms", both=0.3),
    World("effect of one source, outside of the estimand", source=0.06),
    World("images are their own groups", groups=1_310, shared=0.0, own=0.0, redrawn=0.0, image=1.1),
    World("groups split between folds", split=True),
    World("groups of very unequal size", uneven=True),
    World("ROC AUC", metric="roc_auc"),
    World("12 groups", groups=12, images=800),
)


def draw(world: World, gain: float, folds: int, repeats: int, rng: np.random.Generator) -> PairedPredictions:
    """Draw the tested predictions of two arms in all trainings."""
    group, labels, side = _images(world, rng)
    n, g, k, j = world.images, world.groups, world.classes, folds * repeats
    unit = np.arange(n) if world.split else group
    fold = np.concatenate([_dealt(unit, folds, rng) + folds * r for r in range(repeats)])
    repeat, labels, group, side = (
        np.repeat(np.arange(repeats), n),
        *(np.tile(x, repeats) for x in (labels, group, side)),
    )
    common = world.shared * rng.standard_normal((g, k))[group, labels]
    common += np.tile(world.image * rng.standard_normal(n), repeats) + world.both * rng.standard_normal(j)[fold]
    failing = rng.uniform(size=j) < world.failing
    expected = (1 - world.failing) * BASELINE + world.failing / k
    arms = []
    for accuracy, fails in ((expected + gain, np.zeros(j, bool)), (BASELINE, failing)):
        score = norm.ppf(accuracy) * world.total() + common + world.own * rng.standard_normal((g, k))[group, labels]
        score += world.redrawn * rng.standard_normal((repeats, g, k))[repeat, group, labels]
        score += (world.seed * rng.standard_normal(j) + world.source * rng.standard_normal())[fold]
        score += side * world.threshold * rng.standard_normal(j)[fold] + world.noise * rng.standard_normal(len(fold))
        arms.append(_answers(score, labels, fails[fold], k, rng))
    order = np.argsort(fold, kind="stable")
    return PairedPredictions(*(x[order] for x in (labels, *arms, fold, group, repeat, np.ones(len(fold)))))


def _images(world: World, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The group and the label of every image, and on which side of a threshold its class is."""
    n, g, k = world.images, world.groups, world.classes
    if g == n:
        group = np.arange(n)
    else:
        size = rng.gamma(0.7, size=g) + 0.05 if world.uneven else np.ones(g)
        group = np.r_[np.arange(g), rng.choice(g, size=n - g, p=size / size.sum())]
    if k > 2:
        labels = np.array([rng.choice(k, p=p) for p in rng.dirichlet(np.ones(k), size=g)[group]])
        return group, labels, rng.choice([-1.0, 1.0], size=k)[labels]
    labels = (rng.uniform(size=n) < rng.beta(*world.prevalence, size=g)[group]).astype(np.int64)
    return group, labels, 2.0 * labels - 1


def _dealt(unit: Array, folds: int, rng: np.random.Generator) -> Array:
    """Deal units (n,) to folds, as many to each, at random."""
    fold: Array = (rng.permutation(int(unit.max()) + 1) % folds)[unit]
    return fold


def _answers(score: Array, labels: Array, failed: Array, k: int, rng: np.random.Generator) -> Array:
    """Probabilities (n, k): the true class has the highest where the score is positive; failed trainings answer 0."""
    true = norm.cdf(score)
    wrong = (labels + 1 + rng.integers(k - 1, size=len(labels))) % k
    answers, rows = np.zeros((len(labels), k)), np.arange(len(labels))
    answers[rows, labels], answers[rows, wrong] = true, 1 - true
    answers[failed] = np.eye(k)[0]
    return answers


def first(trainings: Trainings, repeats: int) -> Trainings:
    """Only the first so many repeats."""
    kept = trainings.repeat < repeats
    return Trainings(*(getattr(trainings, field.name)[kept] for field in fields(trainings)))


def simulate(world: World, gain: float, runs: int) -> dict[tuple[int, int], Array]:
    """Runs of all designs: design -> (runs, 4) of gain, standard error, half of the 95 % interval, p.

    Designs with as many folds share their draws. A run without an interval covers, and concludes nothing.
    """
    found: dict[tuple[int, int], list[Array]] = {design: [] for design in DESIGNS}
    for run in range(runs):
        for folds in {folds for folds, _ in DESIGNS}:
            repeats = [r for k, r in DESIGNS if k == folds]
            pairs = draw(world, gain, folds, max(repeats), np.random.default_rng([run, folds, round(1000 * gain)]))
            trainings = gains(pairs, world.metric)
            for r in repeats:
                found[folds, r].append(_read(first(trainings, r)))
    return {design: np.array(rows) for design, rows in found.items()}


def _read(trainings: Trainings) -> Array:
    try:
        result = estimate(trainings)
    except UndefinedGain:
        return np.array([np.nan, np.nan, np.inf, 1.0])
    return np.array([result.value, result.standard_error, result.value - result.interval(LEVEL)[0], result.p])


def truth(world: World, gain: float) -> float:
    """The true gain, of ROC AUC the mean of 1,000 other runs."""
    if world.metric == "balanced_accuracy" or gain == 0:
        return gain
    return float(
        np.mean([gains(draw(world, gain, 3, 1, np.random.default_rng([9, run])), world.metric).mean()
                 for run in range(1_000)])
    )  # fmt: skip


def rows_of(world: World, runs: int) -> list[list[str]]:
    """The table's lines of one world, as cells."""
    null, planted = (simulate(world, gain, runs) for gain in (0.0, GAIN))
    true = truth(world, GAIN)
    lines = []
    for k, r in DESIGNS:
        value, _, half, p = null[k, r].T
        covers = np.mean(~(np.abs(value) > half))
        strict = np.mean(p < LEVEL / FAMILY)
        value, error, half, q = planted[k, r].T
        shares = [covers, np.mean(~(np.abs(value - true) > half)), np.mean(p < LEVEL), 1 - (1 - strict) ** FAMILY]
        shares += [np.mean(q < LEVEL), np.mean(q < LEVEL / FAMILY)]
        ratio = np.nanmedian(error) / np.nanstd(value)
        lines.append([world.name, f"{k} x {r}", *(f"{share:.1%}" for share in shares), f"{np.nanstd(value):.3f}"])
        lines[-1].append(f"{ratio:.2f}")
        print(" | ".join(lines[-1]), flush=True)
    return lines


def promised(world: World, runs: int) -> str:
    """How often a run of 3 x 5 detects the gain that the components of such runs promise at 80 % power."""
    claims = []
    for run in range(runs):
        pairs = draw(world, 0.0, 3, 5, np.random.default_rng([7, run]))
        parts = estimate(gains(pairs, world.metric)).components
        assert isinstance(parts, Components)
        claims.append(smallest_detectable_gain(parts, LEVEL))
    claim = float(np.median(claims))
    hits = []
    for run in range(runs):
        pairs = draw(world, round(claim, 3), 3, 5, np.random.default_rng([8, run]))
        hits.append(estimate(gains(pairs, world.metric)).p < LEVEL)
    low, high = np.quantile(claims, [0.25, 0.75])
    return (
        f"{world.name}: runs of 3 x 5 promise to detect {claim:.3f} (median; middle half {low:.3f} to {high:.3f}) with "
        f"80 % power, and a true gain of that size is detected by {np.mean(hits):.0%}."
    )


HEAD = f"""# What the verdict's interval holds

Written by `python -m benchmarks.simulate_verdict`, which also says what is simulated. 95 % intervals of the gain by K
folds x R repeats. A share of {{runs}} runs is uncertain by {{error:.1f}} points (95 %) where it is near 95 % or 5 %.

- `covers 0`, `covers .08`: the interval holds the true gain, of 0 and of {GAIN}.
- `false`: conclusive at a true gain of 0; `false, {FAMILY}`: at least one of {FAMILY} such verdicts is, after Holm.
- `finds .08`: conclusive at a true gain of {GAIN}, alone; `finds .08, {FAMILY}`: as the first of {FAMILY} by Holm.
- `s.d.`: of the gain between runs. `s.e.`: the median standard error over it; 1 is right.

"""
COLUMNS = ("world", "K x R", "covers 0", "covers .08", "false", f"false, {FAMILY}", "finds .08",
           f"finds .08, {FAMILY}", "s.d.", "s.e.")  # fmt: skip


def short(lines: list[list[str]]) -> list[str]:
    """Name the rows of two or more repeats whose coverage is outside of the ordinary range."""
    outside = []
    for line in lines:
        covers = [float(cell.rstrip("%")) / 100 for cell in line[2:4]]
        if not line[1].endswith(" 1") and not all(ORDINARY[0] <= share <= ORDINARY[1] for share in covers):
            outside.append(f"- {line[0]}, {line[1]}: {line[2]} at a gain of 0, {line[3]} at {GAIN}")
    return outside or ["- none"]


def main() -> None:
    """Simulate all worlds and write simulate_verdict.md beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=None, help="simulated runs a row; nothing is written if given")
    parser.add_argument("--world", default="", help="only worlds whose name holds this")
    options = parser.parse_args()
    runs = options.runs or 500
    worlds = [world for world in WORLDS if options.world in world.name]
    lines = [line for world in worlds for line in rows_of(world, runs)]
    table = [f"| {' | '.join(cells)} |" for cells in (COLUMNS, ["---"] * 2 + ["---:"] * 8, *lines)]
    head = HEAD.format(runs=runs, error=196 * (0.95 * 0.05 / runs) ** 0.5)
    outside = [
        "",
        f"## Coverage outside {ORDINARY[0]:.0%} to {ORDINARY[1]:.0%} with two repeats or more",
        "",
        *short(lines),
    ]
    promises = ["", "## Smallest detectable gain", "", *(promised(world, runs) + "\n" for world in worlds[:2])]
    text = head + "\n".join([*table, *outside, *promises]).rstrip() + "\n"
    if options.runs is not None or options.world:
        print(text)
        return
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
