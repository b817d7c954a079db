"""The methods of adapting to a target without labels, `adapt.methods` in params.yaml.

All of them assume that the classes are as frequent in the target as in the source, or as the class weights make them:
what differs between the domains is taken for a shift of the images, also where it is one of the classes.
"""

from typing import NamedTuple


class AdaptationEntry(NamedTuple):
    """A method of adaptation.

    Attributes:
        prepare: where the function (Source, settings of `adapt`) -> Adapter lives; it is called once for all folds.
        strengths: whether the method has a strength, so that each of `adapt.strength` is tried.
    """

    prepare: str
    strengths: bool


ADAPTATION: dict[str, AdaptationEntry] = {
    "adabn": AdaptationEntry("pipeline.adaptation.adabn:prepare", strengths=False),
    "coral": AdaptationEntry("pipeline.adaptation.coral:prepare", strengths=False),
    "deep_coral": AdaptationEntry("pipeline.adaptation.deep_coral:prepare", strengths=True),
    "mmd": AdaptationEntry("pipeline.adaptation.mmd:prepare", strengths=True),
    "dann": AdaptationEntry("pipeline.adaptation.dann:prepare", strengths=True),
    "pseudo_labels": AdaptationEntry("pipeline.adaptation.pseudo_labels:prepare", strengths=True),
    "mcc": AdaptationEntry("pipeline.adaptation.mcc:prepare", strengths=True),
}
