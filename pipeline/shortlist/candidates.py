"""The sources that a target could start from: those of params.yaml, and published weights that are on this machine."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import keras

from pipeline.config.params import Params
from pipeline.config.schema import Source, Transfer
from pipeline.networks.downloads import cached, weights_url
from pipeline.networks.keras_files import at_size
from pipeline.networks.published import load_published
from pipeline.networks.saving import load_model
from pipeline.registry.architectures import APPLICATIONS, ARCHITECTURES, smallest_side
from pipeline.stages.extract import check_target_unseen
from pipeline.store.errors import InputError
from pipeline.store.paths import Paths


class Loaded(NamedTuple):
    """A source's backbone for images of the target's size, and its own head on pooled features, if it has one."""

    backbone: keras.Model
    head: keras.Model | None = None


class Candidate(NamedTuple):
    """A source that may fit.

    Attributes:
        name: its entry of params.yaml; of one that is not there the architecture, and `-imagenet` if that is taken.
        entry: of `sources`: architecture and weights; of a pretrained source those that it began with.
        in_params: whether it is there.
        load: image size -> the network; raises InputError where it does not fit or is not on this machine.
    """

    name: str
    entry: Source
    in_params: bool
    load: Callable[[int], Loaded]


def candidates(params: Params, paths: Paths, target: str, image_size: int) -> Iterator[Candidate]:
    """Sources of params.yaml but those with random weights, then what is pretrained, then the published ones."""
    sources = {name: entry for name, entry in params.sources.items() if entry.weights != "random"}
    for name, entry in sources.items():
        yield Candidate(name, entry, True, partial(_published, entry))
    for name in params.pretrained:
        entry = params.sources[params.chain_of(name)[-1]]
        yield Candidate(name, entry, True, partial(_pretrained, paths, name, target))
    asked = {entry.architecture for entry in sources.values() if entry.weights == "imagenet"}
    installed = [name for name, entry in ARCHITECTURES.items() if entry.imagenet]
    in_cache = [name for name in APPLICATIONS if cached(weights_url(name, image_size)).exists()]
    for name in (*installed, *in_cache):
        if name not in asked:
            entry = Source(architecture=name, weights="imagenet")
            taken = name in params.sources or name in params.pretrained
            yield Candidate(f"{name}-imagenet" if taken else name, entry, False, partial(_published, entry))


def _published(entry: Source, image_size: int) -> Loaded:
    smallest = smallest_side(entry.architecture)
    if image_size < smallest:
        raise InputError(
            f"{entry.architecture} takes images from {smallest} pixels a side on, here they have {image_size}"
        )
    return Loaded(load_published(entry.architecture, entry.weights, image_size, entry.sha256, path=entry.path)[0])


def _pretrained(paths: Paths, name: str, target: str, image_size: int) -> Loaded:
    files = paths.source(name)
    if not files.backbone.is_file():
        raise InputError(f"not trained yet: dvc repro pretrain@{name}")
    check_target_unseen(paths, Transfer(setting="inductive", source=name, target=target))
    head = load_model(files.head) if files.head.is_file() else None
    return Loaded(at_size(load_model(files.backbone), image_size, files.backbone), head)
