"""The table of methods: `prepare` makes, from a source and settings, what adapts it to the images of a fold.

All of them assume that the classes are as frequent in the target as in the source, or as the class weights make them:
what differs between the domains is taken for a shift of the images, also where it is one of the classes.
"""

from collections.abc import Callable
from typing import NamedTuple

from pipeline.adaptation import adabn, coral, dann, deep_coral, mcc, mmd, pseudo_labels
from pipeline.adaptation.problem import Adapter, Source
from pipeline.config.schema import Adapt


class Method(NamedTuple):
    """`strengths`: whether the method has a strength, so that each of `adapt.strength` is tried."""

    prepare: Callable[[Source, Adapt], Adapter]
    strengths: bool


METHODS: dict[str, Method] = {
    "adabn": Method(adabn.prepare, strengths=False),
    "coral": Method(coral.prepare, strengths=False),
    "deep_coral": Method(deep_coral.prepare, strengths=True),
    "mmd": Method(mmd.prepare, strengths=True),
    "dann": Method(dann.prepare, strengths=True),
    "pseudo_labels": Method(pseudo_labels.prepare, strengths=True),
    "mcc": Method(mcc.prepare, strengths=True),
}
