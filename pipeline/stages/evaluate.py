"""evaluate: is the transfer better than training from scratch, how sure is that, and what did it spend?"""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import Transfer, VerdictParams
from pipeline.reporting.contact_sheet import MOST, Picture, contact_sheet
from pipeline.store.files import (
    check_sealed,
    read_json,
    read_npy,
    read_parquet,
    replacing_folder,
    write_csv,
    write_json,
)
from pipeline.store.outs import ArmPaths, TransferPaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.training.folds import images_of
from pipeline.verdict import arms as tables
from pipeline.verdict.arms import Tested
from pipeline.verdict.disagreements import disagreements, true_probabilities
from pipeline.verdict.judging import in_words, judge
from pipeline.verdict.ledger import cost_to_equal_quality, saving_curve
from pipeline.verdict.metrics import METRICS, Array
from pipeline.verdict.spending import (
    SCRATCH,
    Arm,
    fold_budgets,
    learning_curves,
    stopped_improving,
    transfer_compute,
)

TRACKS = ("run.seed", "transfers.{name}", "verdict")
ARM_STAGES = {"head": "head", "tuned": "tune", SCRATCH: "scratch"}  # arm -> the stage that trains it


def verdict(
    tested: Tested,
    examples: pd.DataFrame,
    arms: dict[str, Arm],
    extract: dict[str, Any],
    saving: pd.DataFrame,
    settings: VerdictParams,
    seed: int,
) -> dict[str, Any]:
    """The content of verdict.json: every arm's verdict, the last arm's at equal compute, and what was spent."""
    transferred = {name: arm for name, arm in arms.items() if name != SCRATCH}
    last, scratch = list(transferred)[-1], arms[SCRATCH]
    within = tables.at_budget(scratch.trajectory, fold_budgets(extract, transferred))
    at_equal_compute = tables.aligned(within, examples, tested.classes)

    quality = METRICS[settings.metric](tested.labels, scratch.probabilities, tested.weights)

    def judged(arm: Arm, baseline: Array) -> dict[str, Any]:
        return judge(tested, arm.probabilities, baseline, settings, seed)

    return {
        "arm": last,
        "against": SCRATCH,
        "verdicts": {name: judged(arm, scratch.probabilities) for name, arm in transferred.items()},
        "equal_compute": judged(arms[last], at_equal_compute),
        "stopped_improving": stopped_improving(arms),
        "folds": {name: arm.cost["folds"] for name, arm in arms.items()},
        "compute": transfer_compute(extract, arms),
        "cost_to_equal_quality": cost_to_equal_quality(saving, quality, settings.metric),
        **tables.confusions(tested, {name: arm.probabilities for name, arm in arms.items()}),
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


def contact(tested: Tested, arms: dict[str, Array], last: str, images: np.ndarray, rows: np.ndarray) -> bytes | None:
    """The contact sheet of the images that the last arm gets right and scratch wrong, then the reverse.

    Under each: its true label, and the probability of that by the last arm and by scratch. None: they never disagree.

    Args:
        arms: probabilities (n, k). images: uint8 (N, h, w, c), of which `rows` (n,) are the tested ones.
    """
    found = disagreements(tested, arms[last], arms[SCRATCH])
    p = {arm: true_probabilities(tested, arms[arm]) for arm in (last, SCRATCH)}

    def picture(at: int) -> Picture:
        probabilities = (f"{arm} {of[at]:.2f}" for arm, of in p.items())
        return Picture(images[rows[at]], (tested.classes[tested.labels[at]], *probabilities))

    parts = [(last, SCRATCH, found.gained), (SCRATCH, last, found.lost)]
    titled = [
        (f"{one} right, {other} wrong: {len(at):,} images", [picture(i) for i in at[:MOST]]) for one, other, at in parts
    ]
    return contact_sheet(titled) if len(found.gained) + len(found.lost) else None


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the arms' predictions, histories and costs, write the verdict, the metrics and the rows of plots."""
    transfer = params.transfers[name]
    for files in (paths.target(transfer.target), paths.features(name)):
        check_sealed(files.folder)
    examples = read_parquet(paths.target(transfer.target).examples)
    tested = tables.tested_images(examples)
    arms = read_arms(transfer, name, paths, examples, tested.classes)
    extract = read_json(paths.features(name).cost)
    saving = saving_curve(tested, examples, arms, extract, params.verdict.metric)
    seed = seed_for(params.run.seed, "bootstrap", name)
    result = verdict(tested, examples, arms, extract, saving, params.verdict, seed)
    if transfer.control:
        result["control"] = transfer.control
    predicted = {arm: content.probabilities for arm, content in arms.items()}
    rows = tables.plot_tables(tested, predicted)
    rows |= {"learning_curves": learning_curves(arms, extract), "saving": saving}
    images = read_npy(images_of(paths, transfer.target))
    sheet = contact(tested, predicted, result["arm"], images, examples["row"].to_numpy())
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        write_json(out.verdict, result)
        write_json(out.metrics, {arm: tables.arm_metrics(tested, content) for arm, content in predicted.items()})
        for plot, table in rows.items():
            write_csv(out.plot(plot), table)
        if sheet:
            out.contact_sheet.write_bytes(sheet)
    return in_words(result["verdicts"][result["arm"]])
