"""Cache of compiled networks, reused for every fold and setting of an arm.

TensorFlow traces the training step of EfficientNet-Lite0 in about ten seconds, as long as some folds train. All state
is reset before reuse, so that a fit does not depend on earlier ones.
"""

from collections.abc import Callable

import keras

from pipeline.training.fit import Plan, compile_model

CACHE_SIZE = 8  # networks; an arm has one a penalty
_compiled: dict[tuple[object, ...], keras.Model] = {}


def compiled_like(model: keras.Model, build: Callable[[], keras.Model], plan: Plan) -> keras.Model:
    """A compiled network with the structure and the state (weights, dropout seeds) of `model`.

    Args:
        model: not compiled, and left unchanged.
        build: makes another network of this structure, called where the cache has none.
        plan: part of the cache key by what is compiled in: weight decay, and whether there is an L2-SP penalty.
    """
    key = (keras.backend.backend(), model.to_json(), plan.weight_decay, plan.method.pull > 0)
    if key not in _compiled:
        while len(_compiled) >= CACHE_SIZE:
            del _compiled[next(iter(_compiled))]
        network = build()
        compile_model(network, plan)
        _compiled[key] = network
    copy_state(model, _compiled[key])
    return _compiled[key]


def copy_state(source: keras.Model, target: keras.Model) -> None:
    """Copy weights and dropout seeds between networks of equal structure."""
    for value, variable in zip(_state(source), _state(target), strict=True):
        variable.assign(value)


def _state(model: keras.Model) -> list[keras.Variable]:
    return model.weights + [v for v in model.variables if v.name == "seed_generator_state"]
