"""The model card beside an exported network, README.md with the front matter of the Hugging Face Hub.

Fields as in https://huggingface.co/docs/hub/model-cards: `model-index` holds the results.
"""

import io
from dataclasses import dataclass
from typing import Any

import jinja2
from ruamel.yaml import YAML

from pipeline.export.formats import FORMATS, TOLERANCE
from pipeline.export.licences import Licence
from pipeline.export.resizing import MOST_OFF, Resizing
from pipeline.report.render import markdown_escape
from pipeline.report.words import interval, level, metric_name, number
from pipeline.results.result import Result


@dataclass(frozen=True)
class Facts:
    """What the card tells.

    Attributes:
        name: of the model. form: a key of FORMATS. how: what the one network is made of.
        reason, cautions: why this arm, and what speaks against relying on it. reference: of the arm, section/NAME.
        arm, against, result: of the question that recommends it; None where the arm itself was named.
        metric, quality: of the arm, out of fold.
        target, dataset: names. title: of the dataset. images: of the target. classes: in the order of the output.
        sides: pixels a side to which images are resized, one after another; the last is the network's.
        protocol, folds, repeats: of the evaluation. checked: images, on which probabilities differ by `difference`.
        versions: package -> version. resizing: inside the file; None: images have the network's size.
    """

    name: str
    form: str
    how: str
    reason: str
    cautions: tuple[str, ...]
    reference: str
    arm: str | None
    against: str | None
    result: Result | None
    metric: str
    quality: float | None
    target: str
    dataset: str
    title: str
    images: int
    classes: list[str]
    sides: list[int]
    temperature: float
    protocol: str
    folds: int
    repeats: int
    licences: list[Licence]
    checked: int
    difference: float
    versions: dict[str, str]
    resizing: Resizing | None = None


def card(facts: Facts) -> str:
    """The text of README.md."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.export"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["text"] = markdown_escape
    result = facts.result
    return environment.get_template("card.md.j2").render(
        facts=facts,
        form=FORMATS[facts.form],
        front_matter=_yaml(front_matter(facts)),
        side=facts.sides[-1],
        metric=metric_name(facts.metric),
        quality=number(facts.quality),
        level=level(result.level) if result else "",
        gain=interval(result) if result else "",
        versions=", ".join(f"{package} {version}" for package, version in facts.versions.items()),
        tolerance=TOLERANCE,
        most_off=MOST_OFF,
    )


def front_matter(facts: Facts) -> dict[str, Any]:
    """The metadata. The licence is none of the Hub's own: those of images and weights stand in the card."""
    tags = FORMATS[facts.form].tags
    found: dict[str, Any] = {
        "license": "other",
        "license_name": "of-images-and-weights",
        "license_link": "README.md",
        "library_name": tags[0],
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "transfer-learning", *tags],
    }
    metrics = _metrics(facts)
    if not metrics:  # the Hub takes no model-index without a value
        return found
    dataset = {
        "type": facts.dataset,
        "name": facts.title,
        "config": facts.target,
        "split": "out of fold",
        "args": {"protocol": facts.protocol, "folds": facts.folds, "repeats": facts.repeats},
    }
    task = {"type": "image-classification", "name": "Image classification"}
    results = [{"task": task, "dataset": dataset, "metrics": metrics}]
    return found | {"model-index": [{"name": facts.name, "results": results}]}


def _metrics(facts: Facts) -> list[dict[str, Any]]:
    name, result, found = metric_name(facts.metric), facts.result, list[dict[str, Any]]()
    if facts.quality is not None:
        found.append({"type": facts.metric, "name": f"{name}, mean over trainings", "value": facts.quality})
    if result and result.gain is not None:
        said = result.model_dump(include={"ci_low", "ci_high", "p_holm", "label", "evidence"})
        arms = {"arm": facts.arm, "against": facts.against, "confidence_level": 1 - result.level}
        title = f"gain in {name} of {facts.arm} over {facts.against}"
        found.append({"type": f"{facts.metric}_gain", "name": title, "value": result.gain, "args": arms | said})
    return found


def _yaml(content: dict[str, Any]) -> str:
    yaml, buffer = YAML(), io.StringIO()
    yaml.width = 1000
    yaml.dump(content, buffer)
    return buffer.getvalue()
