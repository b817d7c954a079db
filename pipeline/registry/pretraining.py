"""The ways of pretraining, `pretrained.NAME.pretrain` in params.yaml; their settings stand under `pretraining`."""

from typing import NamedTuple

ONE_DIRECTION = 1.05  # an effective rank this near to 1 is one direction and noise; random weights give 1.2 to 1.9


class PretrainingEntry(NamedTuple):
    """A way of pretraining.

    Attributes:
        learn: where the function Task -> PretrainResult lives, which trains the task's backbone in place.
        settings: where the model of its settings lives, a subclass of `PretrainFitting` in a module without Keras,
            since reading params loads it.
        citation: of the paper.
        labelled: whether it learns labels; the others see none.
        validates: whether it holds out a validation part to be watched; the others train on all images.
        least_rank: effective rank of the pooled features below which it has failed; see `check_not_collapsed`. More
            than one direction is due, but from `supervised`: what tells two classes apart is one direction, and
            learning them well may leave no other, which is no fault. Four turns are told apart by three.
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
