"""Cache of compiled networks, reused for every fold and setting of an arm.

TensorFlow traces the training step of EfficientNet-Lite0 in about ten seconds, as long as some folds train. All state
is reset before reuse, so that a fit does not depend on earlier ones.
"""

import keras

from pipeline.networks.fused import Kernels, copy_state, training_twin
from pipeline.training.fit import Plan, compile_model

CACHE_SIZE = 8  # networks; an arm has one a penalty
_compiled: dict[tuple[object, ...], keras.Model] = {}


def compiled_twin(model: keras.Model, plan: Plan, kernels: Kernels) -> keras.Model:
    """A compiled twin of `model` (see networks/fused.py) with its state (weights, dropout seeds), for training.

    The model itself is neither compiled nor changed: `copy_state` gives it what its twin has learnt.

    Args:
        plan: part of the cache key by what is compiled in: weight decay, and whether there is an L2-SP penalty.
        kernels: see `training_twin`.
    """
    key = (keras.backend.backend(), model.to_json(), plan.weight_decay, plan.method.pull > 0, kernels)
    if key not in _compiled:
        while len(_compiled) >= CACHE_SIZE:
            del _compiled[next(iter(_compiled))]
        twin = training_twin(model, kernels)
        compile_model(twin, plan)
        _compiled[key] = twin
    copy_state(model, _compiled[key])
    return _compiled[key]
