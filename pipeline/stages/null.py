"""null (a control): scratch against scratch under another seed, where nothing is to be found."""

from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import VerdictParams
from pipeline.store.files import check_sealed, read_json, read_parquet, replacing_folder, write_csv, write_json
from pipeline.store.outs import ArmPaths, TransferPaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.verdict import arms as tables
from pipeline.verdict.arms import Tested
from pipeline.verdict.judging import in_words, judge
from pipeline.verdict.ledger import saving_curve
from pipeline.verdict.spending import SCRATCH, Arm, gflops_and_images, learning_curves, stopped_improving

TRACKS = ("run.seed", "nulls.{name}", "verdict")
AGAIN = "again"


def verdict(tested: Tested, arms: dict[str, Arm], settings: VerdictParams, seed: int) -> dict[str, Any]:
    """The content of verdict.json: `again` judged against `scratch`, as a transfer is."""
    predicted = {name: arm.probabilities for name, arm in arms.items()}
    return {
        "arm": AGAIN,
        "against": SCRATCH,
        "verdicts": {AGAIN: judge(tested, predicted[AGAIN], predicted[SCRATCH], settings, seed)},
        "stopped_improving": stopped_improving(arms),
        "folds": {name: arm.cost["folds"] for name, arm in arms.items()},
        "compute": gflops_and_images(arms),
        **tables.confusions(tested, predicted),
    }


def read_arm(files: ArmPaths, examples: pd.DataFrame, classes: list[str]) -> Arm:
    """Read what training a baseline left."""
    check_sealed(files.folder)
    probabilities = tables.aligned(read_parquet(files.predictions), examples, classes)
    return Arm(probabilities, read_parquet(files.trajectory), pd.read_csv(files.history), read_json(files.cost))


def run(params: Params, paths: Paths, name: str) -> str:
    """Read what two baselines predicted and spent, write what evaluate writes of a transfer."""
    null = params.nulls[name]
    target = paths.target(null.target)
    check_sealed(target.folder)
    examples = read_parquet(target.examples)
    tested = tables.tested_images(examples)
    baselines = {AGAIN: null.again, SCRATCH: null.baseline}
    arms = {
        arm: read_arm(paths.arm("scratch", baseline), examples, tested.classes) for arm, baseline in baselines.items()
    }
    seed = seed_for(params.run.seed, "bootstrap", name)
    result = {"control": null.control, **verdict(tested, arms, params.verdict, seed)}
    predicted = {arm: content.probabilities for arm, content in arms.items()}
    rows = tables.plot_tables(tested, predicted) | {"learning_curves": learning_curves(arms)}
    rows["saving"] = saving_curve(tested, examples, arms, {}, params.verdict.metric)
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        write_json(out.verdict, result)
        write_json(out.metrics, {arm: tables.arm_metrics(tested, content) for arm, content in predicted.items()})
        for plot, table in rows.items():
            write_csv(out.plot(plot), table)
    return in_words(result["verdicts"][AGAIN])
