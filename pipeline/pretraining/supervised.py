"""Supervised pretraining on the labels of another task or data set, with balanced class weights."""

import pandas as pd

from pipeline.networks.heads import build_head, with_head
from pipeline.pretraining.task import PretrainResult, Task, fit_classifier, prepare
from pipeline.store.roles import role_column
from pipeline.training.augmentation import view_count
from pipeline.training.folds import fold_parts
from pipeline.training.on_device import images_loader


def learn(task: Task) -> PretrainResult:
    """Train on the labels; the result includes the head, whose outputs are the classes in alphabetical order."""
    if task.labels is None:
        raise ValueError("Supervised pretraining needs labels")
    prepare(task.backbone, task.settings.batch_norm_momentum)
    examples = pd.DataFrame({"label": task.labels, "weight": 1.0, role_column(0): task.role})
    parts = fold_parts(examples, 0, "balanced")
    head = build_head(task.backbone.output_shape[-1], len(set(task.labels)), 0.0, 0.0)
    load = images_loader(task.images, task.rows, task.augmentation)
    classifier = with_head(task.backbone, head)
    result = fit_classifier(classifier, task, load, parts.train, parts.validation, view_count(task.augmentation))
    return PretrainResult(result.history, head)
