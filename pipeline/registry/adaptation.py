"""Registry of unsupervised domain adaptation methods, `adapt.methods` in params.yaml.

All of them assume equal class priors in source and target (after class weighting): label shift is treated as covariate
shift.
"""

from typing import NamedTuple


class AdaptationEntry(NamedTuple):
    """An adaptation method.

    Attributes:
        prepare: import path of the function (Source, settings of `adapt`) -> Adapter; called once for all folds.
        strengths: whether the method has a strength; then each value of `adapt.strength` is tried.
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
