"""Registry of pretraining methods, `pretrained.NAME.pretrain` in params.yaml; settings are in section `pretraining`."""

from typing import NamedTuple

ONE_DIRECTION = 1.05  # effective rank of collapsed features: one direction and noise; random weights give 1.2 to 1.9


class PretrainingEntry(NamedTuple):
    """A pretraining method.

    Attributes:
        learn: import path of the function Task -> PretrainResult, which trains the task's backbone in place.
        settings: import path of its settings, a subclass of `PretrainFitting`; in a module without Keras, because
            reading params imports it.
        citation: of the paper.
        labelled: whether it is supervised; the others never see labels.
        validates: whether it monitors a validation split; the others train on all images.
        least_rank: effective rank of the pooled features below which they count as collapsed (`check_not_collapsed`).
            0 for `supervised`: two well separated classes may leave a single direction.
    """

    learn: str
    settings: str
    citation: str
    labelled: bool = False
    validates: bool = False
    least_rank: float = ONE_DIRECTION


PRETRAINING: dict[str, PretrainingEntry] = {
    "supervised": PretrainingEntry(
        "pipeline.pretraining.supervised:learn",
        "pipeline.pretraining.settings:PretrainFitting",
        "Yosinski et al., How transferable are features in deep neural networks?, NIPS 2014",
        labelled=True,
        validates=True,
        least_rank=0.0,
    ),
    "rotation": PretrainingEntry(
        "pipeline.pretraining.rotation:learn",
        "pipeline.pretraining.settings:PretrainFitting",
        "Gidaris et al., Unsupervised Representation Learning by Predicting Image Rotations, ICLR 2018",
        validates=True,
    ),
    "simclr": PretrainingEntry(
        "pipeline.pretraining.simclr:learn",
        "pipeline.pretraining.settings:SimCLR",
        "Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020",
    ),
    "vicreg": PretrainingEntry(
        "pipeline.pretraining.vicreg:learn",
        "pipeline.pretraining.settings:VICReg",
        "Bardes et al., VICReg: Variance-Invariance-Covariance Regularization, ICLR 2022",
    ),
}
