"""study: what a transfer saves in labels: its arms and scratch at growing shares of the labels of one target."""

from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.stages.evaluate import read_arms
from pipeline.store.files import check_sealed, read_parquet, replacing_folder, write_csv, write_json
from pipeline.store.outs import TransferPaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.verdict.arms import Tested, tested_images
from pipeline.verdict.judging import judge
from pipeline.verdict.label_efficiency import efficiency
from pipeline.verdict.metrics import Array
from pipeline.verdict.spending import SCRATCH

TRACKS = ("run.seed", "studies.{name}", "targets", "transfers", "verdict")
GAIN = ("gain", "ci_low", "ci_high")


def by_fraction(params: Params, name: str) -> dict[str, float]:
    """The study's transfers with their shares of the labels, ascending."""
    shares = {
        transfer: params.targets[params.transfers[transfer].target].train_fraction or 1.0
        for transfer in params.studies[name].transfers
    }
    return dict(sorted(shares.items(), key=lambda item: item[1]))


def labelled_images(examples: pd.DataFrame) -> float:
    """How many images of a target have labels to learn from, mean over the folds."""
    roles = examples.filter(regex=r"^role_\d+$")
    return float(roles.isin(["train", "validation"]).sum().mean())


def read_transfers(
    params: Params, paths: Paths, transfers: list[str]
) -> tuple[Tested, dict[str, list[Array]], list[float]]:
    """The tested images, what every arm that all transfers have said of them at each share, and the labelled images.

    Raises:
        ValueError: the targets do not have the same images in the same folds.
    """
    tables, arms = [], []
    for name in transfers:
        target = paths.target(params.transfers[name].target)
        check_sealed(target.folder)
        tables.append(read_parquet(target.examples))
        columns = ["image_id", "label", "fold"]
        if not tables[0][columns].equals(tables[-1][columns]):
            raise ValueError(f"{target.folder} has other images or folds than the first target of the study")
        classes = tested_images(tables[0]).classes
        arms.append(read_arms(params.transfers[name], name, paths, tables[-1], classes))
    shared = [arm for arm in arms[0] if all(arm in of for of in arms)]
    predicted = {arm: [of[arm].probabilities for of in arms] for arm in shared}
    return tested_images(tables[0]), predicted, [labelled_images(table) for table in tables]


def plot_table(found: dict[str, Any]) -> pd.DataFrame:
    """Rows of the figure: arm, fraction, value, ci_low, ci_high."""
    rows = [
        {"arm": arm, "fraction": fraction, **row}
        for arm, curve in found["curves"].items()
        for fraction, row in zip(found["fractions"], curve, strict=True)
    ]
    return pd.DataFrame(rows)


def run(params: Params, paths: Paths, name: str) -> str:
    """Read what the arms of all the study's transfers predicted, write the curves, the gains and the labels saved."""
    shares, verdict = by_fraction(params, name), params.verdict
    tested, arms, images = read_transfers(params, paths, list(shares))
    found = efficiency(
        tested,
        list(shares.values()),
        arms,
        SCRATCH,
        metric=verdict.metric,
        alpha=verdict.alpha,
        resamples=verdict.resamples,
        seed=seed_for(params.run.seed, "bootstrap", name),
    )
    gains: dict[str, list[dict[str, Any]]] = {}
    for arm in found["times"]:
        gains[arm] = []
        for transfer, mine, scratch in zip(shares, arms[arm], arms[SCRATCH], strict=True):
            # the seed of the transfer's own verdict, so that the report tells one interval and not two
            judged = judge(tested, mine, scratch, verdict, seed_for(params.run.seed, "bootstrap", transfer))
            gains[arm].append({key: judged[key] for key in GAIN})
    with replacing_folder(paths.transfer(name).folder) as folder:
        out = TransferPaths(folder)
        write_json(out.verdict, {"transfers": list(shares), "images": images, **found, "gains": gains})
        write_csv(out.plot("label_efficiency"), plot_table(found))
    return f"{len(shares)} shares of the labels, arms {', '.join(arms)}"
