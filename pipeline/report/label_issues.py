"""Labels that look wrong: images that networks which never trained on them put into another class with confidence.

Confident learning (Northcutt, Jiang and Chuang 2021) as cleanlab has it. A label column of a dataset is examined once,
through the target that tests the most of its images.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.report.contact_sheet import MOST, Picture
from pipeline.report.studies import tested_rows
from pipeline.results.result import Result, details_of
from pipeline.store.probabilities import normalised
from pipeline.verdict.arms import Tested, image_labels, over_repeats
from pipeline.verdict.choice import QUALITY, Candidate, choose
from pipeline.verdict.metrics import Array

TEST = ["image_id", "fold"]  # identify a test of an image
# pairs of files that show the same thing, by reader: known of a published dataset, and not to be found by pixels alone
RECORDED_TWICE = {"elpv": [(f"images/cell{n:04}.png", f"images/cell{n + 542:04}.png") for n in range(1735, 1785)]}
NEAR, TWICE = "near-duplicates", "recorded twice"
COLUMNS = ["dataset", "label_column", "name", "label", "suggested", "p_label", "p_suggested", "weight", "image_id"]


Candidates = Mapping[str, tuple[pd.DataFrame, list[dict[str, Any]]]]  # name of an arm -> its predictions and folds


@dataclass(frozen=True)
class LabelIssues:
    """What was found in a label column of a dataset.

    Attributes:
        target: through which the column was examined. arms: arm -> trainings in which validation preferred it.
        images: a row an image of positive weight, in the order in which to look: those whose label looks wrong, the
            least probable first, then the others. image_id, row (of images.npy), name, label, suggested, p_label,
            p_suggested, weight (nan: the dataset has none), issue (bool).
        weight: the name of the column, or empty.
        tested: target -> tested images, and those of them whose label looks wrong; of every target with this column.
        contradictions: NEAR or TWICE -> groups of images that show the same, of which not all labels are right, as
            positions among `images`.
        pictures: label -> thumbnails of images whose label looks wrong, at most as many as a contact sheet has room
            for; of more than two classes all are under "".
    """

    dataset: str
    label: str
    target: str
    arms: Mapping[str, int]
    images: pd.DataFrame
    weight: str
    tested: Mapping[str, tuple[int, int]]
    contradictions: Mapping[str, list[list[int]]]
    pictures: Mapping[str, list[Picture]]

    @property
    def found(self) -> pd.DataFrame:
        return self.images[self.images["issue"]]


def issues_table(found: Sequence[LabelIssues]) -> pd.DataFrame:
    """The list of all labels that look wrong, those of a column in the order in which to look."""
    parts = [each.found.assign(dataset=each.dataset, label_column=each.label)[COLUMNS] for each in found]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def label_issues(
    results: Mapping[str, Result],
    predictions: Mapping[str, pd.DataFrame],
    manifests: Mapping[str, pd.DataFrame],
    images: Mapping[str, np.ndarray],
    params: Params,
) -> list[LabelIssues]:
    """Examine every label column that targets have, in the order of params.

    Args:
        results, predictions: question -> its result, and the table of `QuestionPaths.predictions`.
        manifests, images: dataset -> its manifest, and its images uint8 (N, h, w, c).
    """
    arms = {target: candidates(target, results, predictions) for target in params.targets}
    tested = {target: set(next(iter(found.values()))[0]["image_id"]) for target, found in arms.items() if found}
    columns: dict[tuple[str, str], dict[str, set[str]]] = {}
    for target, ids in tested.items():
        entry = params.targets[target]
        columns.setdefault((entry.dataset, entry.label), {})[target] = ids
    return [
        _examine(target, arms[target], sharing, manifests[dataset], images[dataset], params)
        for (dataset, _), sharing in columns.items()
        for target in examined(sharing)
    ]


def _examine(
    target: str,
    arms: Candidates,
    sharing: Mapping[str, set[str]],
    manifest: pd.DataFrame,
    images: np.ndarray,
    params: Params,
) -> LabelIssues:
    """Examine a label column through a target; `sharing`: targets with this column and the images that they test."""
    entry, weight = params.targets[target], weight_column(target, params)
    dataset = params.datasets[entry.dataset]
    listed, counts = ranked(arms)
    listed = described(listed, manifest, weight, [name for name in dataset.labels if name != entry.label])
    suspects = set(listed.loc[listed["issue"], "image_id"])
    return LabelIssues(
        dataset=entry.dataset,
        label=entry.label,
        target=target,
        arms=counts,
        images=listed,
        weight=weight,
        tested={name: (len(ids), len(ids & suspects)) for name, ids in sharing.items()},
        contradictions=contradictions(listed, dataset.reader, dataset.labels),
        pictures=pictures(listed, images, weight),
    )


def examined(tested: Mapping[str, set[str]]) -> list[str]:
    """The targets of a label column without those whose images another one tests as well."""
    kept: list[str] = []
    for name in sorted(tested, key=lambda name: -len(tested[name])):
        if not any(tested[name] <= tested[other] for other in kept):
            kept.append(name)
    return kept


def candidates(target: str, results: Mapping[str, Result], predictions: Mapping[str, pd.DataFrame]) -> Candidates:
    """The arms that were trained with the labels of a target, of those with the most repeats; by question and arm."""
    found = {}
    for name, result in results.items():
        for arm, folds in details_of(result).folds.items() if result.target == target else ():
            if all(QUALITY in fold.get("validation", {}) for fold in folds):
                table = predictions[name]
                found[f"{name} {arm}"] = table[table["arm"] == arm], folds
    most = max((table["repeat"].nunique() for table, _ in found.values()), default=0)
    return {name: each for name, each in found.items() if each[0]["repeat"].nunique() == most}


def ranked(candidates: Candidates) -> tuple[pd.DataFrame, dict[str, int]]:
    """The images of a target in the order in which to look, by the arm that validation prefers in each training.

    Returns:
        image_id, label, suggested, p_label, p_suggested, issue; and arm -> trainings in which it was preferred.
    """
    first, _ = next(iter(candidates.values()))
    own = first.reset_index(drop=True)
    tested = tested_rows(own)
    arms = {
        name: Candidate(_probabilities(own[TEST].merge(table, on=TEST, validate="1:1"), tested), folds)
        for name, (table, folds) in candidates.items()
    }
    chosen, counts = choose(arms, tested.fold)
    used = over_repeats(tested, tested.weights) > 0  # others are not measured either
    probabilities, labels = over_repeats(tested, chosen)[used], image_labels(tested)[used]
    issue, quality = doubts(labels, probabilities)
    suggested = probabilities.argmax(1)
    names, every = np.array(tested.classes), np.arange(len(labels))
    table = pd.DataFrame(
        {
            "image_id": own["image_id"].unique()[used],
            "label": names[labels],
            "suggested": names[suggested],
            "p_label": probabilities[every, labels],
            "p_suggested": probabilities[every, suggested],
            "issue": issue,
        }
    )
    order = np.lexsort((every, quality, ~issue))
    return table.iloc[order].reset_index(drop=True), {name: count for name, count in counts.items() if count}


def doubts(labels: Array, probabilities: Array) -> tuple[Array, Array]:
    """Whether each label looks wrong, bool (n,), and the probability of that label (n,).

    It does where another class is predicted, with at least the probability that images labelled so get on average.

    Args:
        labels: int64 (n,). probabilities: (n, k), from networks that did not train on the image.
    """
    from cleanlab.filter import find_label_issues  # half of the time that this package takes to import

    p_label = probabilities[np.arange(len(labels)), labels]
    if len(np.unique(labels)) < 2:  # nothing to confuse
        return np.zeros(len(labels), bool), p_label
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class with few images: none of them is listed
        issue = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
    return np.asarray(issue, bool), p_label


def described(listed: pd.DataFrame, manifest: pd.DataFrame, weight: str, labels: Sequence[str]) -> pd.DataFrame:
    """The list with what the manifest says of every image: row, name, cluster, weight and the other label columns."""
    columns = ["image_id", "row", "name", "cluster", *labels, *([weight] if weight else [])]
    known = manifest[columns].rename(columns={weight: "weight"} if weight else {})
    table = listed.merge(known, on="image_id", how="left", validate="1:1", suffixes=("", "_other"))
    return table if weight else table.assign(weight=np.nan)


def weight_column(target: str, params: Params) -> str:
    """The column that says how sure a label is: the target's weight, or the first that its dataset has; or empty."""
    entry = params.targets[target]
    return entry.weight or next(iter(params.datasets[entry.dataset].weights), "")


def contradictions(listed: pd.DataFrame, reader: str, labels: Sequence[str]) -> dict[str, list[list[int]]]:
    """Groups of images that show the same under different labels.

    Of pairs that are known to show the same, finer labels count too: such as a probability that decides the label.
    """
    shared = listed[listed["cluster"].duplicated(keep=False)]
    near = [rows.index.tolist() for _, rows in shared.groupby("cluster") if rows["label"].nunique() > 1]
    finer = [name for name in labels if name in listed and listed.groupby(name)["label"].nunique().max() == 1]
    place = {name: at for at, name in enumerate(listed["name"])}
    pairs = [[place[name] for name in pair if name in place] for pair in RECORDED_TWICE.get(reader, ())]
    twice = [
        pair
        for pair in pairs
        if len(pair) == 2 and any(listed.loc[pair, name].nunique() > 1 for name in ("label", *finer))
    ]
    found = {NEAR: near, TWICE: twice}
    return {what: groups for what, groups in found.items() if groups}


def recall(groups: Sequence[Sequence[int]], images: int) -> tuple[Array, Array]:
    """The share (images + 1,) of groups of which one is among the first k images, and what chance gives."""
    first = np.sort([min(group) for group in groups])
    seen = np.arange(images + 1)
    missed = [_all_beyond(seen, len(group), images) for group in groups]
    return np.searchsorted(first, seen, side="left") / len(groups), 1 - np.mean(missed, axis=0)


def _all_beyond(seen: Array, size: int, images: int) -> Array:
    """The probability that none of `size` images is among the first k in a random order."""
    drawn = np.arange(size)[:, None]
    shares: Array = np.clip(images - seen - drawn, 0, None) / (images - drawn)
    return shares.prod(axis=0)


def pictures(listed: pd.DataFrame, images: np.ndarray, weight: str) -> dict[str, list[Picture]]:
    """See `LabelIssues.pictures`: under each its label, the suggested one, its weight and its file."""
    found = listed[listed["issue"]]
    if listed["label"].nunique() > 2:
        groups = {"": found} if len(found) else {}
    else:
        groups = {str(label): rows for label, rows in found.groupby("label")}
    return {
        label: [_picture(row, images, weight) for row in rows.head(MOST).to_dict("records")]
        for label, rows in groups.items()
    }


def _picture(row: Mapping[Any, Any], images: np.ndarray, weight: str) -> Picture:
    certainty = [f"{weight} {row['weight']:.2f}"] if weight else []
    labels = (f"{row['label']} {row['p_label']:.2f}", f"{row['suggested']} {row['p_suggested']:.2f}")
    return Picture(images[row["row"]], (*labels, *certainty, row["name"].rpartition("/")[2]))


def _probabilities(table: pd.DataFrame, tested: Tested) -> Array:
    return normalised(table[[f"p_{name}" for name in tested.classes]].to_numpy("float64"))
