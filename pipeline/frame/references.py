"""What one section of params.yaml says of another: faults that no single key shows.

Works on the raw mapping, so that a typo elsewhere does not hide them.
"""

import difflib
from typing import Any

from pipeline.networks.names import known_architecture

SUMMARY = "run"  # the entry of reports/metrics.json that is no transfer
REFERENCES = (
    ("targets", "dataset", "datasets"),
    ("baselines", "target", "targets"),
    ("transfers", "source", "sources"),
    ("transfers", "target", "targets"),
    ("transfers", "baseline", "baselines"),
)


def reference_faults(raw: dict[str, Any]) -> list[str]:
    """All faults of reference in a parsed params.yaml, one sentence each, beginning with the dotted key."""
    faults = _dangling(raw)
    faults += _unmatched_baselines(raw)
    faults += _column_faults(raw)
    faults += _architecture_faults(raw)
    if SUMMARY in _entry(raw, "transfers"):
        faults.append(f"transfers.{SUMMARY}: this name is taken in reports/metrics.json; choose another")
    return faults + _unequal_tries(raw)


def _unequal_tries(raw: dict[str, Any]) -> list[str]:
    faults = []
    scratch = _entry(raw, "scratch").get("learning_rate")
    for section in ("head", "tune"):
        rates = _entry(raw, section).get("learning_rate")
        if isinstance(rates, list) and isinstance(scratch, list) and len(rates) != len(scratch):
            faults.append(
                f"{section}.learning_rate: {len(rates)} values, but scratch.learning_rate has {len(scratch)}; "
                "arms that are compared try the same number"
            )
    return faults


def _dangling(raw: dict[str, Any]) -> list[str]:
    faults = []
    for section, field, goal in REFERENCES:
        allowed = [str(name) for name in _entry(raw, goal)]
        for name, entry in _entries(raw, section):
            value = entry.get(field)
            if isinstance(value, str) and value not in allowed:
                near = nearest(value, allowed)
                faults.append(f"{section}.{name}.{field}: no '{value}' in {goal}{near}; there is {', '.join(allowed)}")
    return faults


def _unmatched_baselines(raw: dict[str, Any]) -> list[str]:
    faults = []
    for name, transfer in _entries(raw, "transfers"):
        baseline = _entry(raw, "baselines", transfer.get("baseline"))
        source = _entry(raw, "sources", transfer.get("source"))
        for field, mine in (("target", transfer.get("target")), ("architecture", source.get("architecture"))):
            other = baseline.get(field)
            if None not in (mine, other) and mine != other:
                faults.append(
                    f"transfers.{name}.baseline: its {field} is '{other}', the transfer's is '{mine}'; "
                    "a transfer is compared with the same network on the same target"
                )
    return faults


def _column_faults(raw: dict[str, Any]) -> list[str]:
    faults = []
    for name, target in _entries(raw, "targets"):
        dataset = _entry(raw, "datasets", target.get("dataset"))
        where = _entry(target, "where")
        asked = [("label", target.get("label"), "labels"), ("weight", target.get("weight"), "weights")]
        asked += [(f"where.{column}", column, "labels") for column in where]
        for field, column, columns in asked:
            allowed = dataset.get(columns, [])
            if dataset and column is not None and isinstance(allowed, list) and column not in allowed:
                words = [str(word) for word in allowed]
                faults.append(
                    f"targets.{name}.{field}: '{column}' is not among datasets.{target.get('dataset')}.{columns}"
                    f"{nearest(str(column), words)}; there is {', '.join(words) or 'none'}"
                )
    return faults


def _architecture_faults(raw: dict[str, Any]) -> list[str]:
    faults = []
    for section in ("sources", "baselines"):
        for name, entry in _entries(raw, section):
            architecture = entry.get("architecture")
            if not isinstance(architecture, str):
                continue
            if not known_architecture(architecture):
                faults.append(
                    f"{section}.{name}.architecture: unknown '{architecture}'; allowed: efficientnet_lite0, a model of "
                    "keras.applications by its name (MobileNetV2, ...), or the path of a .keras file"
                )
            if architecture.endswith(".keras") and entry.get("sha256") is None:
                faults.append(f"{section}.{name}.sha256: missing; a .keras file is pinned by its sha256")
            if section == "sources" and architecture.endswith(".keras") != (entry.get("weights") == "file"):
                faults.append(
                    f"{section}.{name}.weights: received {shown(entry.get('weights'))}; "
                    "'file' goes with the path of a .keras file, 'imagenet' with every other architecture"
                )
    return faults


def _entries(raw: dict[str, Any], section: str) -> list[tuple[str, dict[str, Any]]]:
    return [(str(name), entry) for name, entry in _entry(raw, section).items() if isinstance(entry, dict)]


def _entry(raw: dict[str, Any], section: str, name: Any = None) -> dict[str, Any]:
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
