"""Self-supervised pretraining by rotation prediction (Gidaris et al., ICLR 2018)."""

import numpy as np

from pipeline.networks.heads import build_head, with_head
from pipeline.pretraining.task import PretrainResult, Task, fit_classifier, prepare
from pipeline.training.augmentation import AUGMENTATIONS, view_count
from pipeline.training.batches import Loader
from pipeline.training.folds import Part
from pipeline.training.on_device import images_loader

TURNS = 4


def learn(task: Task) -> PretrainResult:
    """Classify by which of four quarter turns an image was rotated.

    Every image is shown in all four rotations in every epoch. Of the augmentation only the mirror is used, since a
    rotated view would have a wrong label. Where rotations of an image look the same, accuracy stays far below 1; it is
    reported beside chance.
    """
    prepare(task.backbone, task.settings.batch_norm_momentum)
    augmentation = "none" if task.augmentation == "none" else "mirror"
    load = turned_loader(images_loader(task.images, task.rows, "dihedral"))
    train, validation = (turned_part(np.flatnonzero(task.role == role)) for role in ("train", "validation"))
    classifier = with_head(task.backbone, build_head(task.backbone.output_shape[-1], TURNS, 0.0, 0.0))
    result = fit_classifier(classifier, task, load, train, validation, view_count(augmentation))
    accuracy = float(result.history[result.kept_epoch]["val_balanced_accuracy"])
    return PretrainResult(result.history, pretext={"accuracy": accuracy, "chance": 1 / TURNS})


def turned_part(positions: np.ndarray) -> Part:
    """Every position p of (n,) in four rotations: positions 4 p + t (4 n,), with the number of turns t as label."""
    turned = (positions[:, None] * TURNS + np.arange(TURNS)).ravel()
    return Part(turned, turned % TURNS, np.ones(len(turned)))


def turned_loader(load: Loader) -> Loader:
    """A loader of images, plain (view 0) or mirrored (1) and then rotated, for the positions of `turned_part`.

    Args:
        load: of square images under the views of "dihedral". These turn first: to be mirrored and then turned is to be
            turned the other way and then mirrored.
    """
    dihedral = AUGMENTATIONS["dihedral"]
    turned = [dihedral.index((turns, False)) for turns in range(TURNS)]
    mirrored = [dihedral.index((-turns % TURNS, True)) for turns in range(TURNS)]
    seen = np.array([turned, mirrored])
    return lambda positions, which: load(positions // TURNS, seen[which, positions % TURNS])
