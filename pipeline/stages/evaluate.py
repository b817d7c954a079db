"""evaluate: is the transfer better than training from scratch, how sure is that, and what did it spend?"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pipeline.frame.io import check_sealed, read_json, read_parquet, replacing_folder, write_csv, write_json
from pipeline.frame.params import Params, Transfer, VerdictParams
from pipeline.frame.paths import ArmPaths, Paths, TransferPaths
from pipeline.frame.seeds import seed_for
from pipeline.verdict import arms as tables
from pipeline.verdict.arms import Tested
from pipeline.verdict.decision import decide
from pipeline.verdict.metrics import Array
from pipeline.verdict.pairs import pair

TRACKS = ("run.seed", "transfers.{name}", "verdict")
SCRATCH = "scratch"
ARM_STAGES = {"head": "head", "tuned": "tune", SCRATCH: "scratch"}  # arm -> the stage that trains it
PLOTS = {"roc": tables.roc_table, "confusion": tables.confusion_rows, "calibration": tables.calibration_table}


@dataclass(frozen=True)
class Arm:
    """What an arm left: `probabilities` (n, k) in the order of the examples, and its tables."""

    probabilities: Array
    trajectory: pd.DataFrame
    history: pd.DataFrame
    cost: dict[str, Any]


def judge(tested: Tested, arm: Array, baseline: Array, settings: VerdictParams, seed: int) -> dict[str, Any]:
    """The verdict on one arm (n, k) against the baseline (n, k), as a plain object."""
    pairs = pair(tested.labels, arm, baseline, tested.fold, tested.group, tested.weights)
    metric, alpha, margin, resamples = settings.metric, settings.alpha, settings.margin, settings.resamples
    return asdict(decide(pairs, metric, seed=seed, alpha=alpha, margin=margin, resamples=resamples))


def fold_budgets(extract: dict[str, Any], arms: dict[str, Arm]) -> dict[int, float]:
    """GFLOPs that the transfer spent on each fold: its share of the extraction, then what its chosen fits took."""
    costs = [pd.DataFrame(arm.cost["folds"]).set_index("fold")["gflops_chosen"] for arm in arms.values()]
    spent = sum(costs) + extract["gflops"] / len(costs[0])
    return {int(str(fold)): float(gflops) for fold, gflops in spent.items()}


def compute(extract: dict[str, Any], arms: dict[str, Arm]) -> dict[str, Any]:
    """What each arm spent, in GFLOPs over all folds and tried settings; `saved` is the share of scratch not spent."""
    gflops = {arm: content.cost["gflops"] for arm, content in arms.items()}
    scratch = gflops[SCRATCH]
    transfer = extract["gflops"] + sum(gflops.values()) - scratch
    return {
        "extract_gflops": extract["gflops"],
        **{f"{arm}_gflops": spent for arm, spent in gflops.items()},
        "transfer_gflops": transfer,
        "saved": 1 - transfer / scratch,
        "images_seen": {arm: sum(fold["images_seen"] for fold in a.cost["folds"]) for arm, a in arms.items()},
    }


def learning_curves(arms: dict[str, Arm], extract: dict[str, Any]) -> pd.DataFrame:
    """Epochs of the chosen settings of all arms; a transfer's arms begin where the extraction and the head ended."""
    folds = len(arms[SCRATCH].cost["folds"])
    curves, begun = [], pd.Series(extract["gflops"] / folds, index=range(folds))
    for name, arm in arms.items():
        chosen = arm.history[arm.history["chosen"]].copy()
        if name != SCRATCH:
            ended = begun + chosen.groupby("fold")["gflops"].max()
            chosen["gflops"] += chosen["fold"].map(begun)
            begun = ended
        curves.append(chosen.assign(arm=name))
    columns = ["arm", "fold", "epoch", "images_seen", "gflops", "loss", "val_loss", "val_balanced_accuracy"]
    return pd.concat(curves, ignore_index=True)[columns]


def verdict(
    tested: Tested,
    examples: pd.DataFrame,
    arms: dict[str, Arm],
    extract: dict[str, Any],
    settings: VerdictParams,
    seed: int,
) -> dict[str, Any]:
    """The content of verdict.json: every arm's verdict, the last arm's at equal compute, and what was spent."""
    transferred = {name: arm for name, arm in arms.items() if name != SCRATCH}
    last, scratch = list(transferred)[-1], arms[SCRATCH]
    within = tables.at_budget(scratch.trajectory, fold_budgets(extract, transferred))
    at_equal_compute = tables.aligned(within, examples, tested.classes)

    def judged(arm: Arm, baseline: Array) -> dict[str, Any]:
        return judge(tested, arm.probabilities, baseline, settings, seed)

    return {
        "arm": last,
        "verdicts": {name: judged(arm, scratch.probabilities) for name, arm in transferred.items()},
        "equal_compute": judged(arms[last], at_equal_compute),
        "stopped_improving": {name: [f["stopped_improving"] for f in arm.cost["folds"]] for name, arm in arms.items()},
        "folds": {name: arm.cost["folds"] for name, arm in arms.items()},
        "classes": tested.classes,
        "confusion": {name: tables.confusion_counts(tested, arm.probabilities) for name, arm in arms.items()},
        "compute": compute(extract, arms),
    }


def read_arms(
    transfer: Transfer, name: str, paths: Paths, examples: pd.DataFrame, classes: list[str]
) -> dict[str, Arm]:
    """Read what the arms of a transfer left, in the order of ARM_STAGES; without `tuned` where nothing was unfrozen."""
    arms = {}
    for arm, stage in ARM_STAGES.items():
        files = ArmPaths(check_sealed(paths.arm(stage, transfer.baseline if arm == SCRATCH else name).folder))
        cost = read_json(files.cost)
        if cost["folds"]:
            probabilities = tables.aligned(read_parquet(files.predictions), examples, classes)
            arms[arm] = Arm(probabilities, read_parquet(files.trajectory), pd.read_csv(files.history), cost)
    return arms


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the arms' predictions, histories and costs, write the verdict, the metrics and the rows of plots."""
    transfer, settings = params.transfers[name], params.verdict
    for files in (paths.target(transfer.target), paths.features(name)):
        check_sealed(files.folder)
    examples = read_parquet(paths.target(transfer.target).examples)
    tested = tables.tested_images(examples)
    arms = read_arms(transfer, name, paths, examples, tested.classes)
    extract = read_json(paths.features(name).cost)
    result = verdict(tested, examples, arms, extract, settings, seed_for(params.run.seed, "bootstrap", name))
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        write_json(out.verdict, result)
        write_json(out.metrics, {arm: tables.arm_metrics(tested, a.probabilities) for arm, a in arms.items()})
        write_csv(out.plot("learning_curves"), learning_curves(arms, extract))
        for plot, table in PLOTS.items():
            rows = [table(tested, content.probabilities).assign(arm=arm) for arm, content in arms.items()]
            write_csv(out.plot(plot), pd.concat(rows, ignore_index=True))
    decided = result["verdicts"][result["arm"]]
    gain = "undefined" if decided["gain"] is None else f"{decided['gain']:+.3f}"
    return f"{decided['label']}, {decided['evidence']}, gain {gain} in {settings.metric}"
