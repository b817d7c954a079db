"""Data and sources: origin, licence and content of the images and weights, and the protocol of the run."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.report.content import Block, Paragraph, Section, items
from pipeline.report.data import ReportData
from pipeline.report.words import credit, licence_words, number

Json = Mapping[str, Any]


def sections(data: ReportData) -> list[Section]:
    """The section; none where only metrics.json is read."""
    if data.params is None:
        return []
    lines = [dataset_line(name, facts) for name, facts in data.datasets.items()]
    lines += [source_line(name, card) for name, card in data.cards.items()]
    blocks: list[Block] = [*items(lines), Paragraph(protocol(data.params))]
    return [Section("Data and sources", blocks)]


def dataset_line(name: str, facts: Json) -> str:
    """A dataset's counts, title, licence and citation."""
    card = facts["card"]
    proxy = f" Groups are a proxy: {card['group_is_proxy']}" if card["group_is_proxy"] else ""
    return (
        f"{name}: {facts['images']:,} images, {facts['quarantined']} quarantined, {facts['groups']} groups, "
        f"{facts['near_duplicates']} images with a near-duplicate (kept together). {credit(card)}{proxy}"
    )


def source_line(name: str, card: Json) -> str:
    """A source's architecture, origin and licence; of one that this pipeline pretrained, also how."""
    reason = card["cost"]["reason"]
    made = f"; the cost of its training is unknown ({reason})" if reason else ""
    if card["weights"] == "pretrained":
        made = f". {_pretraining(card)}"
    origin = "; ".join(part for part in (card["origin"], licence_words(card["licence"])) if part)
    return f"{name}: {card['architecture']}, {card['parameters']:,} parameters, from {origin}{made}."


def _pretraining(card: Json) -> str:
    labels = f"the labels {card['labels_used']}" if card["labels_used"] else "no labels"
    permuted = ", permuted" if card["permuted"] else ""
    inherited = card["labels_inherited"]
    before = f", after the labels {', '.join(inherited)} of its init" if inherited else ""
    found, pretext = card["representation"], card.get("pretext")
    solved = f", pretext accuracy {pretext['accuracy']:.0%} (chance {pretext['chance']:.0%})" if pretext else ""
    return (
        f"Pretrained here by {card['pretrain']} from {card['init']}: {card['images']:,} images of {card['dataset']}, "
        f"{labels}{permuted}{before}{solved}; {_cost(card['cost'])}. Its features: effective rank "
        f"{number(found['rank'], '.1f')}, variance {number(found['variance'], '.4f')}, not collapsed "  # else refused
        f"({card['citation']})"
    )


def _cost(cost: Json) -> str:
    parts = [f"{cost['images_seen']:,} images seen, {cost['gflops']:,.0f} GFLOPs"]
    if cost["inherited_gflops"]:
        parts.append(f" after {cost['inherited_gflops']:,.0f} of its init")
    if cost["reason"]:
        parts.append(f"; the cost of its initial weights is unknown ({cost['reason']})")
    return "".join(parts)


def protocol(params: Params) -> str:
    """The protocol of the run, and what it rules out."""
    run, datasets = params.run, params.datasets
    targets = params.targets.values()
    sizes = {target.image_size or datasets[target.dataset].image_size or run.image_size for target in targets}
    pixels = ", ".join(map(str, sorted(sizes)))
    return (
        f"{run.folds} folds, protocol {run.protocol}, {pixels} pixels a side, augmentation {run.augmentation}, "
        f"seed {run.seed}. Every image was tested once; within this run nothing was chosen on tested images."
    )
