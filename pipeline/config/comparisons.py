"""Whether what is compared can be: baselines, nulls, studies, settings, and how much each arm tries."""

import math

from pipeline.config.lookup import Raw, entries_of, entry_of, learns_labels, links_of, nearest, origin_of, shown

# setting -> whether its source learnt with labels
LABELLED_SOURCE = {"inductive": True, "unsupervised": False, "transductive": True}
# arm -> the lists that its sweep goes through: every value of one with every value of the other
SWEEPS = {"head": ("learning_rate", "l2"), "tune": ("learning_rate",), "scratch": ("learning_rate",)}


def comparison_faults(raw: Raw) -> list[str]:
    """All faults of comparison in a parsed params.yaml, one sentence each, beginning with the dotted key."""
    faults = _unmatched_baselines(raw)
    faults += _unmatched_nulls(raw)
    faults += _unmatched_rescaled(raw)
    faults += _study_faults(raw)
    faults += _setting_faults(raw)
    return faults + _unequal_tries(raw)


def _unmatched_baselines(raw: Raw) -> list[str]:
    faults = []
    for name, transfer in entries_of(raw, "transfers"):
        baseline = entry_of(raw, "baselines", transfer.get("baseline"))
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
    for name, null in entries_of(raw, "nulls"):
        one, other = (entry_of(raw, "baselines", null.get(field)) for field in ("baseline", "again"))
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
    faults, transfers = [], [transfer for _, transfer in entries_of(raw, "rescaled")]
    for name, entry in entries_of(raw, "rescaled"):
        transfer = entry_of(raw, "transfers", entry.get("transfer"))
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
    for name, study in entries_of(raw, "studies"):
        listed, known = study.get("transfers"), [str(word) for word in entry_of(raw, "transfers")]
        names = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
        faults += [
            f"studies.{name}.transfers: no '{word}' in transfers{nearest(word, known)}; there is {', '.join(known)}"
            for word in names
            if word not in known
        ]
        transfers = [entry_of(raw, "transfers", word) for word in names if word in known]
        targets = [entry_of(raw, "targets", transfer.get("target")) for transfer in transfers]
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


def _setting_faults(raw: Raw) -> list[str]:
    """A setting says how source and target are related; where params say otherwise, one of the two is a slip."""
    faults = []
    for name, transfer in entries_of(raw, "transfers"):
        setting, source = transfer.get("setting"), entry_of(raw, "pretrained", transfer.get("source"))
        if not source or setting not in LABELLED_SOURCE:
            continue
        labelled = learns_labels(raw, transfer.get("source"))
        if labelled != LABELLED_SOURCE[setting]:
            faults.append(
                f"transfers.{name}.setting: received '{setting}', but source '{transfer.get('source')}' learnt "
                f"{'with' if labelled else 'without'} labels"
            )
        links = [link for link in links_of(raw, transfer.get("source")) if learns_labels(raw, link)]
        if setting == "unsupervised" and not labelled and links:
            faults.append(
                f"transfers.{name}.setting: received 'unsupervised', but source '{transfer.get('source')}' goes on "
                f"from '{links[0]}', which learnt with labels; begin its chain with a source that saw none"
            )
        label = entry_of(raw, "targets", transfer.get("target")).get("label")
        if setting == "transductive" and labelled and label is not None and source.get("label") not in (None, label):
            faults.append(
                f"transfers.{name}.setting: received 'transductive', but its source learnt '{source['label']}' and "
                f"its target is '{label}'; transductive means the same objective on other data"
            )
    for name, adaptation in entries_of(raw, "adaptations"):
        source = entry_of(raw, "pretrained", adaptation.get("source"))
        label = entry_of(raw, "targets", adaptation.get("target")).get("label")
        if source and label is not None and source.get("label") != label:
            faults.append(
                f"adaptations.{name}.source: '{adaptation.get('source')}' learnt '{source.get('label')}', its target "
                f"is '{label}'; a head is brought to other data of the same objective"
            )
    return faults


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
    lists = [entry_of(raw, section).get(field) for field in SWEEPS[section]]
    counts = [len(values) for values in lists if isinstance(values, list) and values]
    return counts if len(counts) == len(lists) else []


def _product(factors: list[int]) -> str:
    whole = str(math.prod(factors))
    return whole if len(factors) == 1 else f"{' x '.join(map(str, factors))} = {whole}"
