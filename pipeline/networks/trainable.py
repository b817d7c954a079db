"""Which weights of a network are trained: all made trainable, and what is trainable checked against the plan."""

import math
from collections.abc import Iterable
from typing import Any

import keras


def learnable(layer: keras.Layer) -> list[Any]:
    """The variables that training may change, those of inner layers included, whatever the `trainable` flags say.

    Statistics, such as the moving averages of a batch normalisation, are not among them.
    """
    return [variable for part in layer._flatten_layers() for variable in part._trainable_variables]


def parameters(variables: Iterable[Any]) -> int:
    """The number of parameters in variables."""
    return sum(math.prod(variable.shape) for variable in variables)


def unfreeze(model: keras.Model) -> None:
    """Make every layer trainable, those inside other layers included.

    `model.trainable = True` alone leaves the layers of a model frozen whose own flag is True already, as in a file that
    was saved with frozen layers.
    """
    for layer in model._flatten_layers():
        layer.trainable = True


def check_trainable(model: keras.Model, frozen: Iterable[keras.Layer] = ()) -> None:
    """Raise RuntimeError unless what is trainable in `model` is every layer but the `frozen` ones."""
    fixed = {id(variable) for layer in frozen for variable in learnable(layer)}
    planned = [variable for variable in learnable(model) if id(variable) not in fixed]
    if {id(variable) for variable in planned} != {id(variable) for variable in model.trainable_variables}:
        raise RuntimeError(
            f"{model.name} has {parameters(model.trainable_variables):,} trainable parameters where "
            f"{parameters(planned):,} are planned"
        )
