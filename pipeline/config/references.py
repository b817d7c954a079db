"""Cross-reference checks between sections of params.yaml, which the schema of one section cannot make.

They work on the raw mapping, so that a type error elsewhere does not hide them.
"""

from typing import Any

from pipeline.config.comparisons import comparison_faults
from pipeline.config.lookup import Raw, alternatives, entries_of, entry_of, origin_of, pretraining_of
from pipeline.config.schema import RESERVED
from pipeline.registry.architectures import allowed_weights, known_architecture, unknown_architecture
from pipeline.registry.readers import READERS
from pipeline.store.words import nearest, shown

# section, its field, the sections whose entries the field may name
REFERENCES = (
    ("targets", "dataset", ("datasets",)),
    ("pretrained", "dataset", ("datasets",)),
    ("pretrained", "init", ("sources", "pretrained")),
    ("baselines", "target", ("targets",)),
    ("transfers", "source", ("sources", "pretrained")),
    ("transfers", "target", ("targets",)),
    ("rescaled", "source", ("sources", "pretrained")),
    ("rescaled", "target", ("targets",)),
    ("rescaled", "baseline", ("baselines",)),
    ("adaptations", "source", ("pretrained",)),
    ("adaptations", "target", ("targets",)),
    ("questions", "target", ("targets",)),
    ("questions", "part_of", ("questions",)),
)


def reference_faults(raw: Raw) -> list[str]:
    """All faults between sections of a parsed params.yaml, one sentence each, beginning with the dotted key."""
    checks = (_undefined, _taken_names, _group_faults, _column_faults, _architecture_faults, _pretraining_faults)
    return [fault for check in (*checks, _limit_faults, _size_faults, comparison_faults) for fault in check(raw)]


def _undefined(raw: Raw) -> list[str]:
    faults = []
    for section, field, goals in REFERENCES:
        allowed = [str(name) for goal in goals for name in entry_of(raw, goal)]
        for name, entry in entries_of(raw, section):
            value = entry.get(field)
            if isinstance(value, str) and value not in allowed:
                goal = " or ".join(goals)
                faults.append(f"{section}.{name}.{field}: no '{value}' in {goal}{alternatives(value, allowed)}")
    return faults


def _taken_names(raw: Raw) -> list[str]:
    """Sources and pretrained sources share one output folder; two keys of reports/metrics.json are not questions."""
    sources, questions = (entry_of(raw, section) for section in ("sources", "questions"))
    faults = [
        f"pretrained.{name}: sources has an entry of this name; choose another"
        for name in entry_of(raw, "pretrained")
        if name in sources
    ]
    return faults + [
        f"questions.{name}: this name is taken in reports/metrics.json; choose another"
        for name in RESERVED
        if name in questions
    ]


def _group_faults(raw: Raw) -> list[str]:
    faults = []
    for name, dataset in entries_of(raw, "datasets"):
        reader, group = dataset.get("reader"), dataset.get("group")
        entry = READERS.get(reader) if isinstance(reader, str) else None
        allowed = entry.groups if entry else None
        if allowed is not None and isinstance(group, str) and group and group not in allowed:
            faults.append(
                f"datasets.{name}.group: received {shown(group)}{nearest(group, list(allowed))}; allowed with reader "
                f"{reader}: {', '.join((*allowed, 'null'))}; with reader table: a column of its table"
            )
    return faults


def _column_faults(raw: Raw) -> list[str]:
    faults = []
    for section in ("targets", "pretrained"):
        for name, entry in entries_of(raw, section):
            dataset, at = entry_of(raw, "datasets", entry.get("dataset")), f"datasets.{entry.get('dataset')}"
            asked = [("label", entry.get("label"), "labels"), ("weight", entry.get("weight"), "weights")]
            asked += [(f"where.{column}", column, "labels") for column in entry_of(entry, "where")]
            asked += [("pool", entry.get("pool"), "pools")]
            for field, value, columns in asked:
                allowed = [str(word) for word in dataset.get(columns) or []]
                if dataset and value is not None and value not in allowed:
                    faults.append(
                        f"{section}.{name}.{field}: '{value}' is not among {at}.{columns}{alternatives(value, allowed)}"
                    )
    return faults


def _architecture_faults(raw: Raw) -> list[str]:
    faults = []
    for section in ("sources", "baselines"):
        for name, entry in entries_of(raw, section):
            architecture = entry.get("architecture")
            if not isinstance(architecture, str):
                continue
            if not known_architecture(architecture):
                faults.append(f"{section}.{name}.architecture: {unknown_architecture(architecture)}")
            if architecture.endswith(".keras") and entry.get("sha256") is None:
                faults.append(f"{section}.{name}.sha256: missing; a .keras file is pinned by its sha256")
            allowed, weights = allowed_weights(architecture), entry.get("weights")
            if section == "sources" and known_architecture(architecture) and weights not in allowed:
                faults.append(
                    f"sources.{name}.weights: received {shown(weights)}; {architecture} has {' or '.join(allowed)}"
                )
    return faults


def _pretraining_faults(raw: Raw) -> list[str]:
    faults = []
    for name, entry in entries_of(raw, "pretrained"):
        way, registered = entry.get("pretrain"), pretraining_of(entry)
        if registered and registered.labelled and entry.get("label") is None:
            faults.append(f"pretrained.{name}.label: missing; {way} pretraining needs one")
        if registered and not registered.labelled and (entry.get("label") is not None or entry.get("permute_labels")):
            faults.append(f"pretrained.{name}.label: '{way}' uses no labels; remove it")
        if registered and way not in entry_of(raw, "pretraining"):
            faults.append(f"pretraining.{way}: missing; add the settings, which pretrained.{name} needs")
        known = entry.get("init") in entry_of(raw, "sources") or entry.get("init") in entry_of(raw, "pretrained")
        if known and origin_of(raw, name) is None:
            faults.append(f"pretrained.{name}.init: '{entry.get('init')}' leads back to itself; start from a source")
    return faults


def _limit_faults(raw: Raw) -> list[str]:
    return [
        f"targets.{name}.train_fraction: received {shown(entry['train_fraction'])} beside labels_per_class "
        f"{shown(entry['labels_per_class'])}; a target limits its labels by one of the two, set the other to null"
        for name, entry in entries_of(raw, "targets")
        if None not in (entry.get("labels_per_class"), entry.get("train_fraction"))
    ]


def _size_faults(raw: Raw) -> list[str]:
    """Targets with larger images than their dataset, and adaptations between images of different sizes."""
    faults = []
    for name, target in entries_of(raw, "targets"):
        own, largest = target.get("image_size"), _size(raw, target.get("dataset"))
        if isinstance(own, int) and isinstance(largest, int) and own > largest:
            faults.append(
                f"targets.{name}.image_size: received {own}, but the images of dataset '{target.get('dataset')}' are "
                f"stored at {largest}; raise datasets.{target.get('dataset')}.image_size, or lower this"
            )
    for name, adaptation in entries_of(raw, "adaptations"):
        target = entry_of(raw, "targets", adaptation.get("target"))
        source = entry_of(raw, "pretrained", adaptation.get("source"))
        learnt, tested = (
            _size(raw, source.get("dataset")),
            target.get("image_size") or _size(raw, target.get("dataset")),
        )
        if source and target and learnt != tested:
            faults.append(
                f"adaptations.{name}.target: its images have {tested} pixels a side, those that source "
                f"'{adaptation.get('source')}' learnt from {learnt}; adaptation needs the same image_size"
            )
    return faults


def _size(raw: Raw, dataset: Any) -> Any:
    """The side of a dataset's stored images; None where params do not say."""
    return entry_of(raw, "datasets", dataset).get("image_size") or entry_of(raw, "run").get("image_size")
