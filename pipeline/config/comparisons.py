"""Check that comparisons are fair: questions, studies, transfer settings, and hyperparameter budgets."""

import math
from typing import Any, NamedTuple

from pipeline.config.lookup import Raw, alternatives, entries_of, entry_of, learns_labels, links_of, origin_of
from pipeline.store.words import shown

# transfer setting -> whether its source is pretrained with labels
LABELLED_SOURCE = {"inductive": True, "unsupervised": False, "transductive": True}
# arm -> the lists that span its hyperparameter grid
SWEEPS = {"head": ("learning_rate", "l2"), "tune": ("learning_rate",), "scratch": ("learning_rate",)}
# first part of an arm's reference -> the section that defines its entries
ARMS = {name: name for name in ("transfers", "baselines", "rescaled", "adaptations")} | {"unadapted": "adaptations"}


class Side(NamedTuple):
    """A trained arm of a question; target and architecture are None where params do not define them."""

    section: str
    name: str
    target: Any
    architecture: Any


def comparison_faults(raw: Raw) -> list[str]:
    """Faults of comparisons in a parsed params.yaml, one sentence each, beginning with the dotted key."""
    checks = (_question_faults, _uncompared, _rescaled_faults, _study_faults, _setting_faults, _unequal_budgets)
    return [fault for check in checks for fault in check(raw)]


def _side(raw: Raw, reference: Any) -> Side | None:
    """The arm at `section/name`; None if there is none."""
    section, _, name = str(reference).partition("/")
    entry = entry_of(raw, ARMS[section], name) if section in ARMS else {}
    if not entry:
        return None
    if section in ("transfers", "adaptations", "unadapted"):
        architecture = (origin_of(raw, entry.get("source")) or {}).get("architecture")
    elif section == "rescaled":
        architecture = entry_of(raw, "baselines", entry.get("baseline")).get("architecture")
    else:
        architecture = entry.get("architecture")
    return Side(section, name, entry.get("target"), architecture)


def _question_faults(raw: Raw) -> list[str]:
    """Questions whose arms do not exist or cannot be compared."""
    faults = []
    for name, question in entries_of(raw, "questions"):
        sides = {}
        for field in ("arm", "against"):
            reference, side = question.get(field), _side(raw, question.get(field))
            section, _, entry = str(reference).partition("/")
            if side is not None:
                sides[field] = side
            elif section in ARMS:
                known = alternatives(entry, entry_of(raw, ARMS[section]))
                faults.append(f"questions.{name}.{field}: no '{entry}' in {ARMS[section]}{known}")
        faults += [
            f"questions.{name}.{field}: its target is '{side.target}', the question's is '{question['target']}'"
            for field, side in sides.items()
            if None not in (side.target, question.get("target")) and side.target != question["target"]
        ]
        if len(sides) == 2:
            faults += [f"questions.{name}.against: {fault}" for fault in _mismatches(raw, **sides)]
    return faults


def _mismatches(raw: Raw, arm: Side, against: Side) -> list[str]:
    """Why two arms cannot be compared: they may differ only in how the network was trained."""
    if (arm.section == "adaptations") != (against.section == "unadapted"):
        return ["an adaptation, and nothing else, is compared with its own unadapted source (unadapted/NAME)"]
    if arm.section == "adaptations":
        other = f"'{against.name}' is another adaptation; compare with unadapted/{arm.name}"
        return [] if arm.name == against.name else [other]
    faults = []
    if None not in (arm.architecture, against.architecture) and arm.architecture != against.architecture:
        faults.append(
            f"its architecture is '{against.architecture}', that of the arm is '{arm.architecture}'; a transfer is "
            "compared with the same network on the same target"
        )
    if arm.section == against.section == "baselines":
        one, other = (entry_of(raw, "baselines", side.name).get("again", 0) for side in (arm, against))
        if one == other:
            faults.append("both baselines have the same seed; give one another `again`")
    return faults


def _uncompared(raw: Raw) -> list[str]:
    """Transfers and adaptations that no question compares."""
    asked = {question.get("arm") for _, question in entries_of(raw, "questions")}
    return [
        f"{section}.{name}: no question compares it; add `questions.{name}: {{target: {entry.get('target')}, "
        f"arm: {section}/{name}, against: {against}}}`"
        for section, against in (("transfers", "baselines/..."), ("adaptations", "unadapted/..."))
        for name, entry in entries_of(raw, section)
        if f"{section}/{name}" not in asked
    ]


def _rescaled_faults(raw: Raw) -> list[str]:
    """Rescaled baselines whose target or architecture differs from that of their baseline."""
    faults = []
    for name, entry in entries_of(raw, "rescaled"):
        baseline = entry_of(raw, "baselines", entry.get("baseline"))
        source = origin_of(raw, entry.get("source")) or {}
        for field, mine in (("target", entry.get("target")), ("architecture", source.get("architecture"))):
            other = baseline.get(field)
            if None not in (mine, other) and mine != other:
                faults.append(f"rescaled.{name}.baseline: its {field} is '{other}', here it is '{mine}'")
    return faults


def _study_faults(raw: Raw) -> list[str]:
    """Studies whose questions differ in anything but `train_fraction`."""
    faults = []
    for name, study in entries_of(raw, "studies"):
        listed, known = study.get("questions"), [str(word) for word in entry_of(raw, "questions")]
        names = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
        faults += [
            f"studies.{name}.questions: no '{word}' in questions{alternatives(word, known)}"
            for word in names
            if word not in known
        ]
        sides = [_side(raw, entry_of(raw, "questions", word).get("arm")) for word in names if word in known]
        transfers = [entry_of(raw, "transfers", side.name) for side in sides if side and side.section == "transfers"]
        if len(transfers) < len(sides):
            faults.append(f"studies.{name}.questions: all must be about transfers (arm: transfers/NAME)")
        targets = [entry_of(raw, "targets", transfer.get("target")) for transfer in transfers]
        shares = [target.get("train_fraction") for target in targets]
        if None in shares or len(set(map(str, shares))) < len(shares):
            faults.append(
                f"studies.{name}.questions: the targets' train_fraction are {shown(shares)}; each needs a "
                "different one (1.0 for all labels)"
            )
        faults += [
            f"studies.{name}.questions: the {what} differ in more than {varied}; a study varies the share of the "
            "labels alone"
            for what, entries, varied in (("transfers", transfers, "target"), ("targets", targets, "train_fraction"))
            if _differ(entries, varied)
        ]
    return faults


def _differ(entries: list[dict[str, Any]], varied: str) -> bool:
    """Whether entries differ in another field than `varied`."""
    rest = [{k: v for k, v in entry.items() if k != varied and v not in (None, {})} for entry in entries]
    return any(entry != rest[0] for entry in rest)


def _setting_faults(raw: Raw) -> list[str]:
    """Transfers and adaptations whose setting contradicts their source and target."""
    faults = []
    for name, transfer in entries_of(raw, "transfers"):
        setting, source = transfer.get("setting"), entry_of(raw, "pretrained", transfer.get("source"))
        if not source or setting not in LABELLED_SOURCE:
            continue
        labelled = learns_labels(raw, transfer.get("source"))
        if labelled != LABELLED_SOURCE[setting]:
            faults.append(
                f"transfers.{name}.setting: received '{setting}', but source '{transfer.get('source')}' was trained "
                f"{'with' if labelled else 'without'} labels"
            )
        links = [link for link in links_of(raw, transfer.get("source")) if learns_labels(raw, link)]
        if setting == "unsupervised" and not labelled and links:
            faults.append(
                f"transfers.{name}.setting: received 'unsupervised', but source '{transfer.get('source')}' starts "
                f"from '{links[0]}', which was trained with labels; start from a source that saw none"
            )
        label = entry_of(raw, "targets", transfer.get("target")).get("label")
        if setting == "transductive" and labelled and label is not None and source.get("label") not in (None, label):
            faults.append(
                f"transfers.{name}.setting: received 'transductive', but its source was trained on "
                f"'{source['label']}' and its target is '{label}'; transductive means the same task on other data"
            )
    for name, adaptation in entries_of(raw, "adaptations"):
        source = entry_of(raw, "pretrained", adaptation.get("source"))
        label = entry_of(raw, "targets", adaptation.get("target")).get("label")
        if source and label is not None and source.get("label") != label:
            faults.append(
                f"adaptations.{name}.source: '{adaptation.get('source')}' was trained on '{source.get('label')}', its "
                f"target is '{label}'; adaptation needs the same task on other data"
            )
    return faults


def _unequal_budgets(raw: Raw) -> list[str]:
    """Arms that try another number of settings than scratch: the best of more settings is better by chance alone."""
    counts = {section: _counts(raw, section) for section in SWEEPS}
    allowed = math.prod(counts["scratch"])
    return [
        f"{', '.join(f'{section}.{field}' for field in SWEEPS[section])}: {_product(count)} settings, but "
        f"scratch.learning_rate has {allowed}; arms that are compared try the same number"
        for section, count in counts.items()
        if count and counts["scratch"] and math.prod(count) != allowed
    ]


def _counts(raw: Raw, section: str) -> list[int]:
    """Number of values of each list of a grid; [] if one is empty or not a list, which is reported elsewhere."""
    lists = [entry_of(raw, section).get(field) for field in SWEEPS[section]]
    counts = [len(values) for values in lists if isinstance(values, list) and values]
    return counts if len(counts) == len(lists) else []


def _product(factors: list[int]) -> str:
    whole = str(math.prod(factors))
    return whole if len(factors) == 1 else f"{' x '.join(map(str, factors))} = {whole}"
