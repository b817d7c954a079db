"""compare: is the adapted network better than its source as it is, and how far from one that saw the labels?"""

from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.config.schema import VerdictParams
from pipeline.store.files import check_sealed, read_json, read_parquet, replacing_folder, write_csv, write_json
from pipeline.store.outs import TransferPaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.verdict import arms as tables
from pipeline.verdict.arms import Tested
from pipeline.verdict.judging import in_words, judge
from pipeline.verdict.metrics import Array

TRACKS = ("run.seed", "adaptations.{name}", "verdict")
ADAPTED, SOURCE_ONLY, CEILING = "adapted", "source_only", "target_supervised"
TOLD = ("balanced_accuracy", "accuracy")  # of the candidates, after the choice
ARMS = (SOURCE_ONLY, ADAPTED, CEILING)


def chosen_methods(candidates: pd.DataFrame) -> dict[str, int]:
    """Method -> the number of folds in which the criterion chose it, without a label of the target."""
    counts = candidates[candidates["chosen"]].groupby("method").size()
    return {str(method): int(folds) for method, folds in counts.items()}


def candidates_over_folds(candidates: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a method and strength (null: none), in the order in which they were tried.

    Each has the means over folds of the criterion, which was all that the choice saw, and of what of TOLD there is on
    test images, which it did not; and the number of folds in which it was chosen.
    """
    told = [quality for quality in TOLD if quality in candidates]
    return [
        {
            "method": str(rows["method"].iloc[0]),
            "strength": None if rows["strength"].isna().all() else float(rows["strength"].iloc[0]),
            "criterion": float(rows["criterion"].mean()),
            **{quality: float(rows[quality].mean()) for quality in told},
            "folds_chosen": int(rows["chosen"].sum()),
        }
        for _, rows in candidates.groupby(["method", "strength"], sort=False, dropna=False)
    ]


def verdict(
    tested: Tested,
    arms: dict[str, Array],
    candidates: pd.DataFrame,
    cost: dict[str, Any],
    settings: VerdictParams,
    seed: int,
) -> dict[str, Any]:
    """The content of verdict.json: what adapting gained, and beside it what the target's labels would have gained."""
    return {
        "arm": ADAPTED,
        "against": SOURCE_ONLY,
        "ceiling": CEILING,
        "verdicts": {arm: judge(tested, arms[arm], arms[SOURCE_ONLY], settings, seed) for arm in (ADAPTED, CEILING)},
        "methods": chosen_methods(candidates),
        "candidates": candidates_over_folds(candidates),
        "folds": {ADAPTED: cost["folds"]},
        "compute": {"gflops": cost["gflops"], "backward_gflops": {ADAPTED: cost["backward_gflops"]}},
        **tables.confusions(tested, arms),
    }


def run(params: Params, paths: Paths, name: str) -> str:
    """Read the predictions of the three arms, write what evaluate writes of a transfer."""
    target, files = paths.target(params.adaptations[name].target), paths.adaptation(name)
    check_sealed(target.folder)
    check_sealed(files.folder)
    examples, predictions = read_parquet(target.examples), read_parquet(files.predictions)
    candidates = pd.read_csv(files.candidates)
    tested = tables.tested_images(examples)
    arms = {
        arm: tables.aligned(predictions[predictions["arm"] == arm].drop(columns="arm"), examples, tested.classes)
        for arm in ARMS
    }
    seed = seed_for(params.run.seed, "bootstrap", name)
    result = verdict(tested, arms, candidates, read_json(files.cost), params.verdict, seed)
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        write_json(out.verdict, result)
        write_json(out.metrics, {arm: tables.arm_metrics(tested, content) for arm, content in arms.items()})
        for plot, table in (tables.plot_tables(tested, arms) | {"candidates": candidates}).items():
            write_csv(out.plot(plot), table)
    return in_words(result["verdicts"][ADAPTED])
