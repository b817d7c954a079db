"""What it saves to tune from activations cached at the cut instead of with the frozen layers left in the loop.

    python -m benchmarks.cached_activations      # about 2 minutes on two cores

Both ways train the same layers of EfficientNet-Lite0 from the same start with the same batches; ratios are of one run
on one machine, printed and written to cached_activations.md.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from pipeline.networks.architectures import build_backbone
from pipeline.networks.flops import training_flops
from pipeline.networks.freezing import cut_layer, set_trainable, split_at
from pipeline.networks.heads import build_head, with_head

SIZE, BATCH, STEPS, VIEWS = 80, 32, 30, 8
UNFREEZE = (1, 3, 6, 11)  # blocks from the top


def rate(step, images: int) -> float:
    """Images a second of a step, after two that compile it."""
    step(), step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return STEPS * images / (time.perf_counter() - start)


def compare(unfreeze: int, pixels: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Images a second with the frozen layers in the loop and from the cache, and what they count in FLOPs."""
    backbone = build_backbone("efficientnet_lite0", SIZE, seed=1)
    cut = cut_layer(backbone, unfreeze)
    set_trainable(backbone, cut, "frozen")
    trunk, top = split_at(backbone, cut)
    head = build_head(backbone.output_shape[-1], 2, dropout=0.2, l2=0.0)
    whole, upper = with_head(backbone, head), with_head(top, head)
    activations = trunk.predict_on_batch(pixels)
    rates = {"extract": rate(lambda: trunk.predict_on_batch(pixels), len(pixels))}
    for name, model, inputs in (("in the loop", whole, pixels), ("cached", upper, activations)):
        model.compile(keras.optimizers.AdamW(1e-4), "sparse_categorical_crossentropy", jit_compile=False)
        rates[name] = rate(lambda m=model, x=inputs: m.train_on_batch(x, labels), len(pixels))
    return rates | {"flops": training_flops(whole) / training_flops(upper)}


def main() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (BATCH, SIZE, SIZE, 3)).astype("float32")
    labels = rng.integers(2, size=BATCH)
    lines = [
        f"EfficientNet-Lite0, {SIZE} px, batches of {BATCH}, {keras.backend.backend()}, {os.cpu_count()} cores.",
        "Images/s with the frozen layers in the loop and from the cache; their ratio, also by FLOPs; and after how",
        f"many epochs {VIEWS} cached views have paid.",
        "",
        "| blocks tuned | in the loop | from the cache | ratio | by FLOPs | epochs |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for unfreeze in UNFREEZE:
        found = compare(unfreeze, pixels, labels)
        loop, cached = found["in the loop"], found["cached"]
        break_even = (VIEWS / found["extract"]) / (1 / loop - 1 / cached)
        ratios = (cached / loop, found["flops"], break_even)
        cells = (str(unfreeze), f"{loop:.0f}", f"{cached:.0f}", *(f"{value:.1f}" for value in ratios))
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    lines += ["", "The cache is filled once for all folds, learning rates and epochs."]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
