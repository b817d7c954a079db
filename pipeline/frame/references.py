"""What one section of params.yaml says of another: faults that no single key shows.

Works on the raw mapping, so that a typo elsewhere does not hide them.
"""

import difflib
import math
from collections.abc import Mapping
from typing import Any

from pipeline.networks.names import BUILT_HERE, allowed_weights, known_architecture

Raw = Mapping[str, Any]

RESERVED = ("run", "studies")  # the entries of reports/metrics.json that are no transfers
# section, its field, the sections among whose entries the field names one
REFERENCES = (
    ("targets", "dataset", ("datasets",)),
    ("pretrained", "dataset", ("datasets",)),
    ("pretrained", "init", ("sources", "pretrained")),
    ("baselines", "target", ("targets",)),
    ("transfers", "source", ("sources", "pretrained")),
    ("transfers", "target", ("targets",)),
    ("transfers", "baseline", ("baselines",)),
    ("nulls", "target", ("targets",)),
    ("nulls", "baseline", ("baselines",)),
    ("nulls", "again", ("baselines",)),
    ("rescaled", "transfer", ("transfers",)),
    ("adaptations", "source", ("pretrained",)),
    ("adaptations", "target", ("targets",)),
)
# sections whose entries write to the same folder, so that no name may stand in two of them
SHARED_NAMES = (("sources", "pretrained"), ("transfers", "nulls", "adaptations", "rescaled", "studies"))
# setting -> whether its source learnt with labels
LABELLED_SOURCE = {"inductive": True, "unsupervised": False, "transductive": True}
# arm -> the lists that its sweep goes through: every value of one with every value of the other
SWEEPS = {"head": ("learning_rate", "l2"), "tune": ("learning_rate",), "scratch": ("learning_rate",)}


def reference_faults(raw: Raw) -> list[str]:
    """All faults of reference in a parsed params.yaml, one sentence each, beginning with the dotted key."""
    faults = _dangling(raw)
    faults += _shared_names(raw)
    faults += _unmatched_baselines(raw)
    faults += _unmatched_nulls(raw)
    faults += _unmatched_rescaled(raw)
    faults += _study_faults(raw)
    faults += _column_faults(raw)
    faults += _architecture_faults(raw)
    faults += _pretraining_faults(raw)
    faults += _limit_faults(raw)
    faults += _setting_faults(raw)
    for section in SHARED_NAMES[1]:
        faults += [
            f"{section}.{name}: this name is taken in reports/metrics.json; choose another"
            for name in RESERVED
            if name in _entry(raw, section)
        ]
    return faults + _unequal_tries(raw)


def links_of(raw: Raw, source: Any) -> list[str]:
    """The sources made here that lead to a source along `init`, itself first; each once, also in a ring."""
    links: list[str] = []
    while isinstance(source, str) and source not in links and (entry := _entry(raw, "pretrained", source)):
        links.append(source)
        source = entry.get("init")
    return links


def origin_of(raw: Raw, source: Any) -> Mapping[str, Any] | None:
    """Follow a source's `init` to the entry of `sources` that its chain begins with; None where it leads nowhere."""
    links = links_of(raw, source)
    first = _entry(raw, "pretrained", links[-1]).get("init") if links else source
    return None if first in links or first is None else _entry(raw, "sources", first) or None


def _learns_labels(raw: Raw, source: Any) -> bool:
    return _entry(raw, "pretrained", source).get("pretrain") == "supervised"


def _unequal_tries(raw: Raw) -> list[str]:
    """The best of more settings is better by luck alone, and would count as a gain."""
    counts = {section: _counts(raw, section) for section in SWEEPS}
    allowed = math.prod(counts["scratch"])
    return [
        f"{', '.join(f'{section}.{field}' for field in SWEEPS[section])}: {_product(count)} settings, but "
        f"scratch.learning_rate has {allowed}; arms that are compared try the same number"
        for section, count in counts.items()
        if count and counts["scratch"] and math.prod(count) != allowed
    ]


def _counts(raw: Raw, section: str) -> list[int]:
    """How many values each list of a sweep has; [] where one is no list or empty, which is a fault of its own."""
    lists = [_entry(raw, section).get(field) for field in SWEEPS[section]]
    counts = [len(values) for values in lists if isinstance(values, list) and values]
    return counts if len(counts) == len(lists) else []


def _product(factors: list[int]) -> str:
    whole = str(math.prod(factors))
    return whole if len(factors) == 1 else f"{' x '.join(map(str, factors))} = {whole}"


def _dangling(raw: Raw) -> list[str]:
    faults = []
    for section, field, goals in REFERENCES:
        allowed = [str(name) for goal in goals for name in _entry(raw, goal)]
        for name, entry in _entries(raw, section):
            value = entry.get(field)
            if isinstance(value, str) and value not in allowed:
                faults.append(
                    f"{section}.{name}.{field}: no '{value}' in {' or '.join(goals)}{nearest(value, allowed)}; "
                    f"there is {', '.join(allowed) or 'none'}"
                )
    return faults


def _shared_names(raw: Raw) -> list[str]:
    faults = []
    for sections in SHARED_NAMES:
        first: dict[str, str] = {}
        for section in sections:
            names = [str(name) for name in _entry(raw, section)]
            faults += [
                f"{section}.{n}: {first[n]} has an entry of this name; choose another" for n in names if n in first
            ]
            first |= dict.fromkeys(names, section)
    return faults


def _unmatched_baselines(raw: Raw) -> list[str]:
    faults = []
    for name, transfer in _entries(raw, "transfers"):
        baseline = _entry(raw, "baselines", transfer.get("baseline"))
        source = origin_of(raw, transfer.get("source")) or {}
        for field, mine in (("target", transfer.get("target")), ("architecture", source.get("architecture"))):
            other = baseline.get(field)
            if None not in (mine, other) and mine != other:
                faults.append(
                    f"transfers.{name}.baseline: its {field} is '{other}', the transfer's is '{mine}'; "
                    "a transfer is compared with the same network on the same target"
                )
    return faults


def _unmatched_nulls(raw: Raw) -> list[str]:
    faults = []
    for name, null in _entries(raw, "nulls"):
        one, other = (_entry(raw, "baselines", null.get(field)) for field in ("baseline", "again"))
        faults += [
            f"nulls.{name}.again: its {field} is '{other[field]}', the baseline's is '{one[field]}'; "
            "the null control compares a baseline with itself under another seed"
            for field in ("target", "architecture")
            if None not in (one.get(field), other.get(field)) and one[field] != other[field]
        ]
        if one and None not in (one.get("target"), null.get("target")) and one["target"] != null["target"]:
            faults.append(f"nulls.{name}.target: received '{null['target']}', the baseline's is '{one['target']}'")
        if one and other and one.get("repeat", 0) == other.get("repeat", 0):
            faults.append(f"nulls.{name}.again: it repeats the baseline's seed; give it another `repeat`")
    return faults


def _unmatched_rescaled(raw: Raw) -> list[str]:
    """An entry repeats its transfer's source, target and baseline, from which DVC knows what it depends on."""
    faults, transfers = [], [transfer for _, transfer in _entries(raw, "rescaled")]
    for name, entry in _entries(raw, "rescaled"):
        transfer = _entry(raw, "transfers", entry.get("transfer"))
        faults += [
            f"rescaled.{name}.{field}: received {shown(entry.get(field))}, that of transfer '{entry['transfer']}' is "
            f"'{transfer[field]}'; the two differ in the order of their first weights alone"
            for field in ("source", "target", "baseline")
            if field in entry and None is not transfer.get(field) != entry[field]
        ]
        if transfer and [other.get("transfer") for other in transfers].count(entry["transfer"]) > 1:
            faults.append(f"rescaled.{name}.transfer: '{entry['transfer']}' has more than one such entry; keep one")
    return faults


def _study_faults(raw: Raw) -> list[str]:
    """A study's transfers must differ in the share of the labels and in nothing else."""
    faults = []
    for name, study in _entries(raw, "studies"):
        listed, known = study.get("transfers"), [str(word) for word in _entry(raw, "transfers")]
        names = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
        faults += [
            f"studies.{name}.transfers: no '{word}' in transfers{nearest(word, known)}; there is {', '.join(known)}"
            for word in names
            if word not in known
        ]
        transfers = [_entry(raw, "transfers", word) for word in names if word in known]
        targets = [_entry(raw, "targets", transfer.get("target")) for transfer in transfers]
        shares = [target.get("train_fraction") for target in targets]
        if None in shares or len(set(map(str, shares))) < len(shares):
            faults.append(
                f"studies.{name}.transfers: the targets' train_fraction are {shown(shares)}; each needs one of its own "
                "(1.0 for all labels)"
            )
        for what, entries, apart in (
            ("transfers", transfers, ("target", "baseline")),
            ("targets", targets, ("train_fraction",)),
        ):
            said = [{k: v for k, v in e.items() if k not in apart and v not in (None, {})} for e in entries]
            if any(one != said[0] for one in said):
                faults.append(
                    f"studies.{name}.transfers: the {what} differ in more than {' and '.join(apart)}; a study varies "
                    "the share of the labels alone"
                )
    return faults


def _pretraining_faults(raw: Raw) -> list[str]:
    faults = []
    for name, entry in _entries(raw, "pretrained"):
        labelled = entry.get("pretrain") == "supervised"
        if labelled and entry.get("label") is None:
            faults.append(f"pretrained.{name}.label: missing; supervised pretraining learns one")
        if not labelled and (entry.get("label") is not None or entry.get("permute_labels")):
            faults.append(f"pretrained.{name}.label: '{entry.get('pretrain')}' learns without labels; remove it")
        known = entry.get("init") in _entry(raw, "sources") or entry.get("init") in _entry(raw, "pretrained")
        if known and origin_of(raw, name) is None:
            faults.append(f"pretrained.{name}.init: '{entry.get('init')}' leads back to itself; begin with a source")
    return faults


def _setting_faults(raw: Raw) -> list[str]:
    """A setting says how source and target are related; where params say otherwise, one of the two is a slip."""
    faults = []
    for name, transfer in _entries(raw, "transfers"):
        setting, source = transfer.get("setting"), _entry(raw, "pretrained", transfer.get("source"))
        if not source or setting not in LABELLED_SOURCE:
            continue
        labelled = _learns_labels(raw, transfer.get("source"))
        if labelled != LABELLED_SOURCE[setting]:
            faults.append(
                f"transfers.{name}.setting: received '{setting}', but source '{transfer.get('source')}' learnt "
                f"{'with' if labelled else 'without'} labels"
            )
        links = [link for link in links_of(raw, transfer.get("source")) if _learns_labels(raw, link)]
        if setting == "unsupervised" and not labelled and links:
            faults.append(
                f"transfers.{name}.setting: received 'unsupervised', but source '{transfer.get('source')}' goes on "
                f"from '{links[0]}', which learnt with labels; begin its chain with a source that saw none"
            )
        label = _entry(raw, "targets", transfer.get("target")).get("label")
        if setting == "transductive" and labelled and label is not None and source.get("label") not in (None, label):
            faults.append(
                f"transfers.{name}.setting: received 'transductive', but its source learnt '{source['label']}' and "
                f"its target is '{label}'; transductive means the same objective on other data"
            )
    for name, adaptation in _entries(raw, "adaptations"):
        source = _entry(raw, "pretrained", adaptation.get("source"))
        label = _entry(raw, "targets", adaptation.get("target")).get("label")
        if source and label is not None and source.get("label") != label:
            faults.append(
                f"adaptations.{name}.source: '{adaptation.get('source')}' learnt '{source.get('label')}', its target "
                f"is '{label}'; a head is brought to other data of the same objective"
            )
    return faults


def _limit_faults(raw: Raw) -> list[str]:
    return [
        f"targets.{name}.train_fraction: received {shown(entry['train_fraction'])} beside labels_per_class "
        f"{shown(entry['labels_per_class'])}; a target limits its labels by one of the two, set the other to null"
        for name, entry in _entries(raw, "targets")
        if None not in (entry.get("labels_per_class"), entry.get("train_fraction"))
    ]


def _column_faults(raw: Raw) -> list[str]:
    faults = []
    for section in ("targets", "pretrained"):
        for name, entry in _entries(raw, section):
            dataset, at = _entry(raw, "datasets", entry.get("dataset")), f"datasets.{entry.get('dataset')}"
            asked = [("label", entry.get("label"), "labels"), ("weight", entry.get("weight"), "weights")]
            asked += [(f"where.{column}", column, "labels") for column in _entry(entry, "where")]
            asked += [("pool", entry.get("pool"), "pools")]
            for field, value, columns in asked:
                allowed = [str(word) for word in dataset.get(columns) or []]
                if dataset and value is not None and value not in allowed:
                    faults.append(
                        f"{section}.{name}.{field}: '{value}' is not among {at}.{columns}"
                        f"{nearest(str(value), allowed)}; there is {', '.join(allowed) or 'none'}"
                    )
    return faults


def _architecture_faults(raw: Raw) -> list[str]:
    faults = []
    for section in ("sources", "baselines"):
        for name, entry in _entries(raw, section):
            architecture = entry.get("architecture")
            if not isinstance(architecture, str):
                continue
            if not known_architecture(architecture):
                faults.append(
                    f"{section}.{name}.architecture: unknown '{architecture}'; allowed: {', '.join(BUILT_HERE)}, "
                    "a model of keras.applications by its name (MobileNetV2, ...), or the path of a .keras file"
                )
            if architecture.endswith(".keras") and entry.get("sha256") is None:
                faults.append(f"{section}.{name}.sha256: missing; a .keras file is pinned by its sha256")
            allowed, weights = allowed_weights(architecture), entry.get("weights")
            if section == "sources" and known_architecture(architecture) and weights not in allowed:
                faults.append(
                    f"sources.{name}.weights: received {shown(weights)}; {architecture} has {' or '.join(allowed)}"
                )
    return faults


def _entries(raw: Raw, section: str) -> list[tuple[str, dict[str, Any]]]:
    return [(str(name), entry) for name, entry in _entry(raw, section).items() if isinstance(entry, dict)]


def _entry(raw: Raw, section: str, name: Any = None) -> dict[str, Any]:
    part = raw.get(section)
    if name is not None and isinstance(part, dict):
        part = part.get(name) if isinstance(name, str) else None
    return part if isinstance(part, dict) else {}


def nearest(word: str, allowed: list[str]) -> str:
    """A hint at what was meant, or nothing."""
    near = difflib.get_close_matches(word, allowed, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def shown(value: Any) -> str:
    """A received value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
