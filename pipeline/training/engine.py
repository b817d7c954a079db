"""Networks that are compiled once and used for every fold and setting of an arm.

TensorFlow traces the training step of EfficientNet-Lite0 in about ten seconds, as long as some folds train. What a fit
comes to does not depend on who used the network before: all state is set anew.
"""

from collections.abc import Callable

import keras

from pipeline.training.fit import Plan, compile_model

KEPT = 8  # networks; an arm has one a penalty
_compiled: dict[tuple[object, ...], keras.Model] = {}


def compiled_like(model: keras.Model, build: Callable[[], keras.Model], plan: Plan) -> keras.Model:
    """A compiled network of the structure and with the state (weights, seeds of dropout) of `model`.

    Args:
        model: not compiled, and left as it is.
        build: makes another network of this structure, where none was compiled yet.
        plan: what of it is compiled in tells networks apart: weight decay, and whether there is a pull.
    """
    key = (keras.backend.backend(), model.to_json(), plan.weight_decay, plan.method.pull > 0)
    if key not in _compiled:
        while len(_compiled) >= KEPT:
            del _compiled[next(iter(_compiled))]
        engine = build()
        compile_model(engine, plan)
        _compiled[key] = engine
    copy_state(model, _compiled[key])
    return _compiled[key]


def copy_state(source: keras.Model, target: keras.Model) -> None:
    """Give a network of equal structure the weights and the seeds of another."""
    for value, variable in zip(_state(source), _state(target), strict=True):
        variable.assign(value)


def _state(model: keras.Model) -> list[keras.Variable]:
    return model.weights + [v for v in model.variables if v.name == "seed_generator_state"]
