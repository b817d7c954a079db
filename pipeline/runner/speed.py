"""Measure how fast this machine trains: `python -m pipeline.runner.speed`, a process of its own on one thread.

Several at once show what trainings that run side by side leave each other of the machine's cores and memory.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

BEGUN = time.perf_counter()

from pipeline.networks.device import choose_backend, use_device, without_notices  # noqa: E402
from pipeline.store.errors import InputError  # noqa: E402

LEAST_SECONDS, LEAST_CALLS, MOST_CALLS = 1.5, 3, 60  # of one measurement


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call by the clock and by the processor: a mean over calls, the first of which does not count."""
    call()
    calls, begun, computed = 0, time.perf_counter(), time.process_time()
    while calls < LEAST_CALLS or (time.perf_counter() - begun < LEAST_SECONDS and calls < MOST_CALLS):
        call()
        calls += 1
    return (time.perf_counter() - begun) / calls, (time.process_time() - computed) / calls


def measure(asked: dict[str, Any]) -> dict[str, Any]:
    """Seconds of what a run does, by name; with `busy`, how many times as long it took as the processor computed.

    Args:
        asked: size (pixels), classes, architectures (name -> whether it is fine-tuned too), sha256 (of those that are
            files), unfreeze, batch_norm, batch (of scratch, tune and head), kernels, device.

    Returns:
        ready: to import Keras. Of every architecture: build (a network), trace (its first step and prediction), step
        and predict (a batch); where it is fine-tuned also tune_trace, tune_step and tune_predict. head_step.
    """
    choose_backend()
    with without_notices():
        import keras
    use_device(asked["device"])
    from pipeline.networks.heads import build_head

    found: dict[str, Any] = {"ready": time.perf_counter() - BEGUN}
    walls, computed = 0.0, 0.0

    def keep(name: str, call: Callable[[], object]) -> None:
        nonlocal walls, computed
        wall, processor = timed(call)
        found[name] = wall
        walls, computed = walls + wall, computed + processor

    for architecture, tuned in asked["architectures"].items():
        _measure_network(architecture, tuned, asked, found, keep)
    features = 1280
    head = build_head(features, asked["classes"], 0.2, 1e-2)
    keep("head_step", _steps(head, (features,), asked["batch"]["head"], asked["classes"], asked["kernels"]))
    keras.utils.clear_session()
    found["busy"] = walls / max(computed, 1e-9)
    return found


def _measure_network(
    architecture: str, tuned: bool, asked: dict[str, Any], found: dict[str, Any], keep: Callable[[str, Any], None]
) -> None:

    from pipeline.arms.networks import ScratchNetwork
    from pipeline.networks.architectures import build_backbone
    from pipeline.networks.freezing import cut_layer, set_trainable, split_at
    from pipeline.networks.heads import build_head, with_head

    size, classes, kernels, batch = asked["size"], asked["classes"], asked["kernels"], asked["batch"]
    sha256 = asked["sha256"].get(architecture)
    begun = time.perf_counter()
    network = ScratchNetwork(architecture, size, classes, 0.9, sha256).build(0.2, 0.0, 1).trained
    found[f"{architecture} build"] = time.perf_counter() - begun
    begun = time.perf_counter()
    step = _steps(network, (size, size, 3), batch["scratch"], classes, kernels)
    step()
    predict = _predictions(network, (size, size, 3), kernels)
    predict()
    found[f"{architecture} trace"] = time.perf_counter() - begun
    keep(f"{architecture} step", step)
    keep(f"{architecture} predict", predict)
    if not tuned:
        return
    backbone = build_backbone(architecture, size, 1, sha256)
    try:
        cut = cut_layer(backbone, asked["unfreeze"])
    except InputError:  # it has fewer blocks, or others: its transfers need an `unfreeze` of their own, at most all
        cut = cut_layer(backbone, "all")
    set_trainable(backbone, cut, asked["batch_norm"])
    trunk, top = split_at(backbone, cut)
    shape = tuple(trunk.output_shape[1:]) if trunk else (size, size, 3)
    whole = with_head(top, build_head(backbone.output_shape[-1], classes, 0.2, 0.0))
    begun = time.perf_counter()
    step, predict = _steps(whole, shape, batch["tune"], classes, kernels), _predictions(whole, shape, kernels)
    step()
    predict()
    found[f"{architecture} tune_trace"] = time.perf_counter() - begun
    keep(f"{architecture} tune_step", step)
    keep(f"{architecture} tune_predict", predict)


def _twin(model: Any, kernels: str) -> Any:
    from pipeline.training.compile_cache import compiled_twin
    from pipeline.training.fit import Plan

    plan = Plan(1e-4, 1, 1, 1, "constant", 0.0, 1e-4, seed=1)
    return compiled_twin(model, plan, kernels)  # type: ignore[arg-type]


def _steps(model: Any, shape: tuple[int, ...], batch: int, classes: int, kernels: str) -> Callable[[], object]:
    """A training step of the twin that a fit trains, on noise."""
    import numpy as np

    rng, twin = np.random.default_rng(0), _twin(model, kernels)
    inputs = rng.uniform(0, 1, (batch, *shape)).astype("float32")
    labels, weights = rng.integers(classes, size=batch), np.ones(batch, "float32")
    return lambda: twin.train_on_batch(inputs, labels, sample_weight=weights)


def _predictions(model: Any, shape: tuple[int, ...], kernels: str) -> Callable[[], object]:
    import numpy as np

    from pipeline.training.batches import PREDICT_BATCH

    twin, inputs = _twin(model, kernels), np.zeros((PREDICT_BATCH, *shape), "float32")
    return lambda: twin.predict_on_batch(inputs)


if __name__ == "__main__":
    print(json.dumps(measure(json.load(sys.stdin))))
