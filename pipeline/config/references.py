"""Cross-reference checks between sections of params.yaml, which the schema of one section cannot make.

They work on the raw mapping, so that a type error elsewhere does not hide them.
"""

from pipeline.config.architectures import architecture_faults
from pipeline.config.comparisons import comparison_faults
from pipeline.config.lookup import Raw, alternatives, entries_of, entry_of, origin_of, pretraining_of
from pipeline.config.names import name_faults
from pipeline.config.schema import RESERVED
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
    return [fault for check in CHECKS for fault in check(raw)]


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


def _reader_faults(raw: Raw) -> list[str]:
    """Datasets without a field that their reader cannot do without."""
    faults = []
    for name, dataset in entries_of(raw, "datasets"):
        reader = dataset.get("reader")
        entry = READERS.get(reader) if isinstance(reader, str) else None
        faults += [
            f"datasets.{name}.{field}: missing; reader {reader} needs it"
            for field in (entry.needs if entry else ())
            if dataset.get(field) in (None, "")
        ]
    return faults


def _group_faults(raw: Raw) -> list[str]:
    faults = [
        f"datasets.{name}.group_kind: received {shown(dataset['group_kind'])} without a `group`; it says "
        "what the groups are, set both or none"
        for name, dataset in entries_of(raw, "datasets")
        if dataset.get("group_kind") is not None and dataset.get("group") is None
    ]
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


def _value_faults(raw: Raw) -> list[str]:
    """Values in `where` that are no class of their column, where the dataset lists its classes."""
    faults = []
    for section in ("targets", "pretrained"):
        for name, entry in entries_of(raw, section):
            classes = entry_of(entry_of(raw, "datasets", entry.get("dataset")), "classes")
            for column, value in entry_of(entry, "where").items():
                allowed = [str(word) for word in classes.get(column) or []]
                if allowed and value not in allowed:
                    faults.append(
                        f"{section}.{name}.where.{column}: received {shown(value)}, which is no class of "
                        f"datasets.{entry.get('dataset')}.classes.{column}{alternatives(value, allowed)}"
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


CHECKS = (
    _undefined,
    _taken_names,
    name_faults,
    _reader_faults,
    _group_faults,
    _column_faults,
    _value_faults,
    _pretraining_faults,
    _limit_faults,
    architecture_faults,
    comparison_faults,
)
