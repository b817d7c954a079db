"""Data and sources: origin, licence and content of the images and weights, and the protocol of the run."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.params import Params
from pipeline.report.content import Block, Paragraph, Section, items
from pipeline.report.data import ReportData
from pipeline.report.language import retold, say
from pipeline.report.words import credit, licence_words, number

Json = Mapping[str, Any]


def sections(data: ReportData) -> list[Section]:
    """The section; none where only metrics.json is read."""
    if data.params is None:
        return []
    lines = [dataset_line(name, facts) for name, facts in data.datasets.items()]
    lines += [source_line(name, card) for name, card in data.cards.items()]
    blocks: list[Block] = [*items(lines), Paragraph(protocol(data.params))]
    return [Section(say("Data and sources"), blocks, folded=True)]


def dataset_line(name: str, facts: Json) -> str:
    """A dataset's counts, title, licence and citation."""
    card = facts["card"]
    counts = say(
        "{name}: {images} images, {quarantined} quarantined, {groups} groups, {near} images with a near-duplicate "
        "(kept together).",
        name=name,
        images=f"{facts['images']:,}",
        quarantined=facts["quarantined"],
        groups=facts["groups"],
        near=facts["near_duplicates"],
    )
    parts = [counts, credit(card)]
    if card["group_is_proxy"]:
        parts.append(say("Groups are a proxy: {why}", why=retold(card["group_is_proxy"])))
    return " ".join(parts)


def source_line(name: str, card: Json) -> str:
    """A source's architecture, origin and licence; of one that this pipeline pretrained, also how."""
    origin = "; ".join(part for part in (retold(card["origin"]), licence_words(card["licence"])) if part)
    parts = [
        say(
            "{name}: {architecture}, {parameters} parameters, from {origin}.",
            name=name,
            architecture=card["architecture"],
            parameters=f"{card['parameters']:,}",
            origin=origin,
        )
    ]
    if card["weights"] == "pretrained":
        parts += _pretraining(card)
    elif card["cost"]["reason"]:
        parts.append(say("The cost of its training is unknown ({reason}).", reason=retold(card["cost"]["reason"])))
    return " ".join(parts)


def _pretraining(card: Json) -> list[str]:
    found = card["representation"]
    return [
        say(
            "Pretrained here by {way} from {init} on {images} images of {dataset}, {labels}; {seen} images seen, "
            "{gflops} GFLOPs.",
            way=card["pretrain"],
            init=card["init"],
            images=f"{card['images']:,}",
            dataset=card["dataset"],
            labels=_labels(card),
            seen=f"{card['cost']['images_seen']:,}",
            gflops=f"{card['cost']['gflops']:,.0f}",
        ),
        *_inherited(card),
        *_pretext(card.get("pretext")),
        say(
            "Its features: effective rank {rank}, variance {variance}, not collapsed ({citation}).",  # else refused
            rank=number(found["rank"], ".1f"),
            variance=number(found["variance"], ".4f"),
            citation=card["citation"],
        ),
    ]


def _labels(card: Json) -> str:
    if not card["labels_used"]:
        return say("without labels")
    if card["permuted"]:
        return say("with the labels {label}, permuted", label=card["labels_used"])
    return say("with the labels {label}", label=card["labels_used"])


def _inherited(card: Json) -> list[str]:
    """What the weights that it began with had seen and cost."""
    cost, found = card["cost"], []
    if card["labels_inherited"]:
        found.append(say("Its init had learnt the labels {labels}.", labels=", ".join(card["labels_inherited"])))
    if cost["inherited_gflops"]:
        found.append(say("Its init had taken {gflops} GFLOPs.", gflops=f"{cost['inherited_gflops']:,.0f}"))
    if cost["reason"]:
        found.append(say("The cost of its initial weights is unknown ({reason}).", reason=retold(cost["reason"])))
    return found


def _pretext(pretext: Json | None) -> list[str]:
    if not pretext:
        return []
    accuracy, chance = f"{pretext['accuracy']:.0%}", f"{pretext['chance']:.0%}"
    return [say("Pretext accuracy {accuracy} (chance {chance}).", accuracy=accuracy, chance=chance)]


def protocol(params: Params) -> str:
    """The protocol of the run, and what it rules out."""
    run, datasets = params.run, params.datasets
    targets = params.targets.values()
    sizes = {target.image_size or datasets[target.dataset].image_size or run.image_size for target in targets}
    return say(
        "{folds} folds, protocol {protocol}, {pixels} pixels a side, augmentation {augmentation}, seed {seed}. Every "
        "image was tested once a repeat; within this run nothing was chosen on tested images.",
        folds=run.folds,
        protocol=run.protocol,
        pixels=", ".join(map(str, sorted(sizes))),
        augmentation=run.augmentation,
        seed=run.seed,
    )
