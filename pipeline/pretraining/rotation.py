"""Self-supervised pretraining by rotation prediction (Gidaris et al., ICLR 2018)."""

import numpy as np

from pipeline.networks.heads import build_head, with_head
from pipeline.pretraining.task import PretrainResult, Task, fit_classifier, prepare
from pipeline.training.augmentation import view_count
from pipeline.training.batches import Loader, pixel_loader
from pipeline.training.folds import Part

TURNS = 4


def learn(task: Task) -> PretrainResult:
    """Classify by which of four quarter turns an image was rotated.

    Every image is shown in all four rotations in every epoch. Of the augmentation only the mirror is used, since a
    rotated view would have a wrong label. Where rotations of an image look the same, accuracy stays far below 1; it is
    reported beside chance.
    """
    prepare(task.backbone, task.settings.batch_norm_momentum)
    augmentation = "none" if task.augmentation == "none" else "mirror"
    load = turned_loader(pixel_loader(task.images, task.rows, augmentation))
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
    """A loader of rotated square images for the positions of `turned_part`."""

    def load_turned(positions: np.ndarray, which: np.ndarray) -> np.ndarray:
        batch, turns = load(positions // TURNS, which), positions % TURNS
        for turn in range(1, TURNS):
            batch[turns == turn] = np.rot90(batch[turns == turn], turn, axes=(1, 2))
        return batch

    return load_turned
