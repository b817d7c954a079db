"""The entries of params.yaml that `init` writes, as YAML text with comments, and the text of the file around them."""

import io
import json
import re
from functools import partial
from typing import Any

from ruamel.yaml import YAML

from pipeline.commands.suggest import Suggestion
from pipeline.config.params import ENTRY_SECTIONS
from pipeline.config.schema import Dataset
from pipeline.store.errors import InputError

LARGE, SMALL = "efficientnet_lite0", "cifar_resnet8"
BANNER = "# " + "=" * 118
COLUMN = 29  # where comments begin
PLAIN = re.compile(r"[A-Za-z_/][\w./-]*")
WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
TITLES = {
    "datasets": "Your images. Each dataset becomes images.npy and a manifest with one row per image.",
    "targets": "Classification tasks: images and a label column of a dataset.",
    "sources": "Existing backbones.",
    "pretrained": "Backbones that are pretrained here.",
    "baselines": "Baselines: the same network from random weights on the same target.",
    "transfers": "Transfers to train; `questions` below compares them.",
    "adaptations": "Unsupervised domain adaptation (docs/extending.md).",
    "rescaled": "Baselines from random weights with a source's mean and variance.",
    "questions": "Questions: two arms on one target. Controls are questions whose answer is known in advance.",
    "studies": "Label efficiency: questions about targets that differ in `train_fraction` (profiles/labels.yaml).",
}
ORDER = tuple(TITLES)
Entries = dict[str, str]  # section -> its entries as indented YAML, "" for none


def free_name(wanted: str, raw: dict[str, Any]) -> str:
    """`wanted` as a name of entries, with a number where params have entries of this name.

    Raises:
        InputError: nothing of it can be part of a name.
    """
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-_")
    if not base:
        raise InputError(f"'{wanted}' has no letter or digit for a name. Give one with --name, such as --name photos.")
    taken = {str(entry) for section in ENTRY_SECTIONS for entry in raw.get(section) or {}}
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in candidates if not any(map(partial(_uses, name), taken)))


def _uses(name: str, entry: str) -> bool:
    return entry == name or entry.startswith(f"{name}-") or name in entry.split("-to-")


def entries(name: str, suggestion: Suggestion, label: str, raw: dict[str, Any]) -> Entries:
    """The entries of one question about a target, with a null control and, where there are pools, a planted negative.

    Args:
        raw: the parsed params whose entries stay beside these; {} for none.
    """

    def free(section: str, wanted: str) -> str:
        return f"{name}-{wanted}" if wanted in (raw.get(section) or {}) else wanted

    imagenet, imagenet_text = _source(raw, "imagenet", LARGE, name)
    random, random_text = _source(raw, "random", SMALL, name)
    found = dict.fromkeys(ORDER, "")
    found["datasets"] = _dataset(name, suggestion.dataset)
    found["targets"] = f"  {name}: {{dataset: {name}, label: {word(label)}}}\n"
    found["sources"] = imagenet_text
    found["baselines"] = (
        f"  {name}-lite0: {{target: {name}, architecture: {LARGE}}}\n"
        f"  {name}-resnet8: {{target: {name}, architecture: {SMALL}}}  # often the best baseline\n"
        f"  {name}-resnet8-again: {{target: {name}, architecture: {SMALL}, again: 1}}  # with another seed\n"
    )
    found["transfers"] = f"  imagenet-to-{name}: {{setting: inductive, source: {imagenet}, target: {name}}}\n"
    found["questions"] = (
        f"  imagenet-to-{name}:\n    target: {name}\n    arm: transfers/imagenet-to-{name}\n"
        f"    against: baselines/{name}-lite0\n"
        f"  {free('questions', 'scratch-again')}:            # the null control: the same training with another seed\n"
        f"    target: {name}\n"
        f"    arm: baselines/{name}-resnet8-again\n"
        f"    against: baselines/{name}-resnet8\n"
        f'    control: "null"\n'
    )
    if suggestion.pooled:
        control = free("questions", "planted-negative")
        found["sources"] += random_text
        found["pretrained"] = (
            f"  {name}-shuffled:\n    pretrain: supervised\n    init: {random}\n    dataset: {name}\n"
            f"    label: {word(label)}\n    pool: source\n"
            f"    permute_labels: true     # labels are shuffled, so that this source cannot learn the task\n"
        )
        found["targets"] += f"  {name}-pool: {{dataset: {name}, label: {word(label)}, pool: target}}\n"
        found["baselines"] += f"  {name}-pool-resnet8: {{target: {name}-pool, architecture: {SMALL}}}\n"
        found["transfers"] += (
            f"  shuffled-to-{name}:\n    setting: transductive\n    source: {name}-shuffled\n    target: {name}-pool\n"
            f"    unfreeze: 0\n"
        )
        found["questions"] += (
            f"  {control}:         # a source that knows nothing must not help\n"
            f"    target: {name}-pool\n    arm: transfers/shuffled-to-{name}\n"
            f"    against: baselines/{name}-pool-resnet8\n    control: planted_negative\n"
        )
    return found


def _source(raw: dict[str, Any], weights: str, architecture: str, name: str) -> tuple[str, str]:
    """Name and YAML of a source; no YAML where params have it already, another name where they have another one."""
    there, wanted = (raw.get("sources") or {}).get(weights), {"architecture": architecture, "weights": weights}
    if there == wanted:
        return weights, ""
    own = weights if there is None else f"{name}-{weights}"
    return own, f"  {own}: {{architecture: {architecture}, weights: {weights}}}\n"


def _dataset(name: str, dataset: Dataset) -> str:
    comments = {
        "reader": {"folder": "one directory per class", "table": "a row per image"}[dataset.reader],
        "raw": "where the images are; not copied into Git",
        "table": "in the folder `raw`; its paths are relative to it",
        "classes": "allowed labels; others are refused",
        "group": "images of a group stay in one fold",
        "min_side": "pixels of the shorter side below which an image is left out",
        "near_duplicate_distance": "null: near-duplicates are not looked for",
        "quarantine_cap": "greatest share of unusable files",
        "pools": "disjoint parts: `source` is for the planted negative alone",
    }
    lines = [f"  {name}:"]
    default = {key: field.default for key, field in Dataset.model_fields.items()}
    for key, value in dataset.model_dump().items():
        if key in ("reader", "raw", "labels") or value != default[key]:
            line = f"    {key}: {_flow(value)}"
            lines.append(f"{line:{COLUMN}}# {comments[key]}" if key in comments else line)
            if key in comments and len(line) >= COLUMN:
                lines[-1] = f"{line}  # {comments[key]}"
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return word(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def word(text: str) -> str:
    """A text as a YAML scalar, in quotes where it would be something else without."""
    if PLAIN.fullmatch(text) and text.casefold() not in WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


# ---- the whole file --------------------------------------------------------------------------------------------------


def replaced(text: str, run: dict[str, Any], new: Entries) -> str:
    """params.yaml with these settings of the section run and these entries in the place of all others.

    Raises:
        InputError: an entry section stands before a section of settings, so that the file cannot be cut in two.
    """
    lines = text.splitlines(keepends=True)
    begins = [number for number, line in enumerate(lines) if re.match(rf"({'|'.join(ENTRY_SECTIONS)})\s*:", line)]
    settings = [number for number, line in enumerate(lines) if re.match(r"[A-Za-z]\w*\s*:", line)]
    first = min(begins, default=len(lines))
    if any(number > first and number not in begins for number in settings):
        raise InputError(
            "params.yaml has settings below its entries. Move the sections of data and questions (datasets, targets, "
            "...) to the end of the file, or keep them with --keep-demo."
        )
    while first and (not lines[first - 1].strip() or lines[first - 1].startswith("#")):
        first -= 1
    head = with_run("".join(lines[:first]), run)
    body = "".join(f"\n# {TITLES[section]}\n{_section(section, new[section])}" for section in ORDER)
    banner = f"{BANNER}\n# Entries: your data and questions, written by `python -m pipeline init`; edit them freely.\n"
    return f"{head.rstrip()}\n\n{banner}{BANNER}\n{body}"


def _section(name: str, content: str) -> str:
    return f"{name}:\n{content}" if content else f"{name}: {{}}\n"


def with_run(text: str, run: dict[str, Any]) -> str:
    """The text with settings of the section run; comments stay."""
    yaml = _round_trip()
    params = yaml.load(text)
    for key, value in run.items():
        if params["run"].get(key) != value:
            params["run"][key] = value
    return _dumped(yaml, params)


def added(text: str, run: dict[str, Any], new: Entries) -> str:
    """params.yaml with these settings, and these entries beside the others."""
    yaml = _round_trip()
    params = yaml.load(with_run(text, run))
    for section, content in new.items():
        if content:
            fresh = yaml.load(f"{section}:\n{content}")[section]
            if not params.get(section):
                params[section] = fresh
            else:
                params[section].update(fresh)
                for key in fresh:
                    if key in fresh.ca.items:
                        params[section].ca.items[key] = fresh.ca.items[key]
    return _dumped(yaml, params)


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 1000, True
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _dumped(yaml: YAML, params: Any) -> str:
    stream = io.StringIO()
    yaml.dump(params, stream)
    return stream.getvalue()
