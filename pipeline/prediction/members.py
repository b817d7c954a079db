"""The trained networks of an arm, one a fold of every repeat, and what they predicted out of fold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_parquet
from pipeline.store.outs import ArmPaths, TrainedPaths
from pipeline.store.paths import Paths
from pipeline.verdict.choice import CHOSEN, Candidate

KEPT = ("transfers", "baselines", "rescaled")  # kinds of arms whose networks are kept
HEAD = "head"  # the arm whose networks take pooled features of the source's backbone


@dataclass(frozen=True)
class Member:
    """One trained network of an arm.

    Attributes:
        fold: that it did not train on. arm: its folder. quality: balanced accuracy on its validation part.
        backbone: of the source, whose pooled features the network takes; None: it takes pixels.
    """

    fold: int
    arm: ArmPaths
    quality: float
    backbone: Path | None

    @property
    def network(self) -> Path:
        return self.arm.model(self.fold)


def members_of(params: Params, paths: Paths, reference: str) -> tuple[str, list[Member]]:
    """The arm of transfers/NAME, baselines/NAME or rescaled/NAME that a verdict judges, and its networks by fold.

    Of a transfer with several arms it is CHOSEN: in every fold the arm that is best on validation.

    Raises:
        InputError: nothing has been trained yet, or a file is damaged.
    """
    section, _, name = reference.partition("/")
    trained = TrainedPaths(check_sealed(paths.trained(section, name).folder))
    facts = read_json(trained.facts)
    several = len(facts["arms"]) > 1 and all(trained.arm(arm).history.exists() for arm in facts["arms"])
    arms = facts["arms"] if several else [facts["judged"]]
    backbone = paths.source(params.transfers[name].source).backbone if section == "transfers" else None
    costs = {arm: read_json(trained.arm(arm).cost)["folds"] for arm in arms}
    candidates = {arm: Candidate(np.empty(0), folds) for arm, folds in costs.items()}
    members = []
    for fold in sorted(each["fold"] for each in costs[arms[-1]]):
        arm = max(arms, key=lambda name: (candidates[name].quality(fold), arms.index(name)))
        if arm == HEAD and backbone is not None:
            check_sealed(backbone.parent)
        needed = backbone if arm == HEAD else None
        members.append(Member(fold, trained.arm(arm), candidates[arm].quality(fold), needed))
    return CHOSEN if several else arms[0], members


def out_of_fold(members: list[Member]) -> pd.DataFrame:
    """What every network predicted of the images that it did not train on: image_id, fold, label, p_<class>..."""
    tables = {member.arm: read_parquet(member.arm.predictions) for member in members}
    parts = [tables[member.arm].query("fold == @member.fold") for member in members]
    return pd.concat(parts, ignore_index=True).drop(columns="row")


def check_judged(paths: Paths, question: str, arm: str, predictions: pd.DataFrame) -> None:
    """Check that a question's verdict is about these very predictions, float32 of `out_of_fold`.

    Args:
        arm: its name in the question.

    Raises:
        InputError: the networks were trained anew since.
    """
    judged = read_parquet(paths.question(question).predictions)
    judged = judged[judged["arm"] == arm]
    columns = [name for name in map(str, predictions) if name.startswith("p_")]
    both = judged[["image_id", "fold", *columns]].merge(predictions, on=["image_id", "fold"], suffixes=("", "_now"))
    now = both[[f"{name}_now" for name in columns]].to_numpy("float64")
    if len(both) < len(judged) or not np.allclose(both[columns], now, atol=1e-5):
        raise InputError(f"The networks of question '{question}' changed after its verdict. Run `dvc repro` first.")
