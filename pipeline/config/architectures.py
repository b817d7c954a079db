"""What the tables of architectures tell of params: names, weights, sizes of images, numbers of blocks."""

from typing import Any

from pipeline.config.lookup import Raw, entries_of, entry_of, origin_of
from pipeline.registry.architectures import (
    allowed_weights,
    block_count,
    is_file,
    known_architecture,
    smallest_side,
    takes_weight_file,
    unknown_architecture,
)
from pipeline.registry.blocks import block_names, may_unfreeze
from pipeline.store.words import listed, nearest, shown


def architecture_faults(raw: Raw) -> list[str]:
    """All faults that can be told without building a network, one sentence each, beginning with the dotted key."""
    return [fault for check in (_names, _weight_files, _sizes, _small_images, _blocks) for fault in check(raw)]


def _names(raw: Raw) -> list[str]:
    faults = []
    for section in ("sources", "baselines"):
        for name, entry in entries_of(raw, section):
            architecture = entry.get("architecture")
            if not isinstance(architecture, str):
                continue
            if not known_architecture(architecture):
                faults.append(f"{section}.{name}.architecture: {unknown_architecture(architecture)}")
            if is_file(architecture) and entry.get("sha256") is None:
                faults.append(f"{section}.{name}.sha256: missing; a .keras file is pinned by its sha256")
            allowed, weights = allowed_weights(architecture), entry.get("weights")
            if section == "sources" and known_architecture(architecture) and weights not in allowed:
                faults.append(
                    f"sources.{name}.weights: received {shown(weights)}; {architecture} has {' or '.join(allowed)}"
                )
    return faults


def _weight_files(raw: Raw) -> list[str]:
    """Sources whose file of weights is not named, not pinned, or belongs to no model of keras.applications."""
    faults = []
    for name, entry in entries_of(raw, "sources"):
        key, architecture = f"sources.{name}", entry.get("architecture")
        if not isinstance(architecture, str):
            continue
        takes = takes_weight_file(architecture) and entry.get("weights") == "file"
        if takes and entry.get("path") is None:
            faults.append(f"{key}.path: missing; weights: file of {architecture} needs the path of its *_notop.h5")
        if takes and entry.get("sha256") is None:
            faults.append(f"{key}.sha256: missing; a file of weights is pinned by its sha256")
        if not takes and entry.get("path") is not None:
            faults.append(
                f"{key}.path: belongs to weights: file of a model of keras.applications; remove it"
                + (", since architecture names the file" if is_file(architecture) else "")
            )
    return faults


def _sizes(raw: Raw) -> list[str]:
    """Targets with larger images than their dataset, and adaptations between images of different sizes."""
    faults = []
    for name, target in entries_of(raw, "targets"):
        own, largest = target.get("image_size"), _side(raw, target.get("dataset"))
        if isinstance(own, int) and isinstance(largest, int) and own > largest:
            faults.append(
                f"targets.{name}.image_size: received {own}, but the images of dataset '{target.get('dataset')}' are "
                f"stored at {largest}; raise datasets.{target.get('dataset')}.image_size, or lower this"
            )
    for name, adaptation in entries_of(raw, "adaptations"):
        target = entry_of(raw, "targets", adaptation.get("target"))
        source = entry_of(raw, "pretrained", adaptation.get("source"))
        learnt, tested = _side(raw, source.get("dataset")), _tested_side(raw, adaptation.get("target"))
        if source and target and learnt != tested:
            faults.append(
                f"adaptations.{name}.target: its images have {tested} pixels a side, those that source "
                f"'{adaptation.get('source')}' learnt from {learnt}; adaptation needs the same image_size"
            )
    return faults


def _small_images(raw: Raw) -> list[str]:
    """Images that are smaller than an architecture takes."""
    uses = [
        (f"sources.{name}", entry.get("architecture"), entry_of(raw, "run").get("image_size"), "run.image_size")
        for name, entry in entries_of(raw, "sources")
    ]
    for name, entry in entries_of(raw, "pretrained"):
        architecture, dataset = (origin_of(raw, name) or {}).get("architecture"), entry.get("dataset")
        uses.append((f"pretrained.{name}", architecture, _side(raw, dataset), f"datasets.{dataset}.image_size"))
    for section in ("baselines", "transfers"):
        for name, entry in entries_of(raw, section):
            architecture, target = entry.get("architecture"), entry.get("target")
            if section == "transfers":
                architecture = (origin_of(raw, entry.get("source")) or {}).get("architecture")
            uses.append((f"{section}.{name}", architecture, _tested_side(raw, target), f"targets.{target}.image_size"))
    return [
        f"{key}: {architecture} takes images from {smallest_side(architecture)} pixels a side on, here they have "
        f"{side}; raise {setting}"
        for key, architecture, side, setting in uses
        if isinstance(architecture, str) and isinstance(side, int) and side < smallest_side(architecture)
    ]


def _blocks(raw: Raw) -> list[str]:
    """Transfers that unfreeze more blocks than their network has, or a name that none of its blocks and layers has."""
    faults = []
    for name, transfer in entries_of(raw, "transfers"):
        architecture = (origin_of(raw, transfer.get("source")) or {}).get("architecture")
        own, shared = transfer.get("unfreeze"), entry_of(raw, "tune").get("unfreeze")
        unfreeze = shared if own is None else own
        if isinstance(architecture, str) and (fault := _unfreeze_fault(architecture, unfreeze)):
            inherited = " (by tune.unfreeze)" if own is None else ""
            faults.append(f"transfers.{name}.unfreeze: received {shown(unfreeze)}{inherited}, {fault}")
    return faults


def _unfreeze_fault(architecture: str, unfreeze: Any) -> str:
    """What is wrong with a number of blocks or a name, as far as the tables tell; else ""."""
    blocks, names = block_count(architecture), block_names(architecture)
    if blocks is not None and type(unfreeze) is int and unfreeze > blocks:
        return f"but {architecture} has {blocks} blocks; set 0 to {blocks}, the name of a block, or all"
    if isinstance(unfreeze, str) and unfreeze != "all" and not may_unfreeze(architecture, unfreeze):
        hint = nearest(unfreeze, names)
        return f"which names no block or layer of {architecture}{hint}; blocks from the input on: {listed(names)}"
    return ""


def _side(raw: Raw, dataset: Any) -> Any:
    """The side of a dataset's stored images; None where params do not say."""
    return entry_of(raw, "datasets", dataset).get("image_size") or entry_of(raw, "run").get("image_size")


def _tested_side(raw: Raw, target: Any) -> Any:
    """The side of a target's images; None where params do not say."""
    entry = entry_of(raw, "targets", target)
    return entry.get("image_size") or _side(raw, entry.get("dataset"))
