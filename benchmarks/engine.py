"""Training speed: fused layers and one thread a training, against plain Keras and plain PyTorch.

    python -m benchmarks.engine               # about 15 minutes on two cores
    pip install torch                         # for the column of PyTorch, left out without it

Measures images/s of a training step in batches of 32 at 80 pixels: EfficientNet-Lite0 in all layers, ResNet-8 in all
layers, and the top 6 blocks of Lite0 from activations that were cached. In each of several rounds every way is measured
once, so that ratios are of the same minutes. Writes engine.md. Run it on a machine that does nothing else.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np

IMAGE_SIZE, BATCH, CLASSES = 80, 32, 2
ROWS = {
    "lite0": "Lite0, all layers",
    "resnet8": "ResNet-8, all layers",
    "top": "Lite0, top 6 blocks from the cached cut",
}
CORES = joblib.cpu_count()
# way -> heading, threads of a process, processes at once, whether oneDNN is asked for ("": as TensorFlow comes)
WAYS = {
    "keras": ("Keras on TensorFlow as it comes, all cores", CORES, 1, ""),
    "keras-onednn": ("the same with oneDNN", CORES, 1, "1"),
    "torch": ("PyTorch, channels_last, all cores", CORES, 1, ""),
    "fused": ("fused, one process of one thread", 1, 1, "1"),
    "fused-all": ("fused, a process a core", 1, CORES, "1"),
}
Step = Callable[[], Any]


def keras_step(row: str, kernels: str, threads: int) -> Step:
    """One training step of this pipeline on random images."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import keras

    from pipeline.networks.architectures import build_backbone
    from pipeline.networks.freezing import cut_layer, set_trainable, split_at
    from pipeline.networks.heads import build_head, with_head
    from pipeline.training.compile_cache import compiled_twin
    from pipeline.training.fit import Plan

    keras.utils.set_random_seed(1)
    backbone = build_backbone("cifar_resnet8" if row == "resnet8" else "efficientnet_lite0", IMAGE_SIZE, 1, None)
    body = backbone
    if row == "top":
        cut = cut_layer(backbone, 6)
        set_trainable(backbone, cut, "frozen")
        _, body = split_at(backbone, cut)
    model = with_head(body, build_head(body.output_shape[-1], CLASSES, 0.2, 0.0))
    model = compiled_twin(model, Plan(1e-3, 1, 1, BATCH, "constant", 0.0, 1e-4, 1), kernels)  # type: ignore[arg-type]
    inputs, labels = data(body.input_shape[1:])
    weights = np.ones(BATCH, "float32")
    return lambda: float(np.ravel(model.train_on_batch(inputs, labels, sample_weight=weights))[0])


def torch_step(row: str, threads: int) -> Step:
    """The same step in plain PyTorch."""
    os.environ["KERAS_BACKEND"] = "torch"  # modules with the network's numbers import Keras, else on TensorFlow
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    network = torch_resnet8() if row == "resnet8" else torch_lite0(top_blocks=6 if row == "top" else None)
    network.train()
    if row == "top":  # batch norm frozen, as in the pipeline's fine-tuning
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.requires_grad_(False)
                module.eval()
    network = network.to(memory_format=torch.channels_last)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-3, weight_decay=1e-4)
    inputs, labels = data((5, 5, 112) if row == "top" else (IMAGE_SIZE, IMAGE_SIZE, 3))
    images = torch.from_numpy(inputs).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    truth = torch.from_numpy(labels)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(network(images), truth)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def torch_lite0(top_blocks: int | None) -> Any:
    """EfficientNet-Lite0 as networks/efficientnet_lite.py builds it, or its last blocks, the top included."""
    from torch import nn

    from pipeline.networks.efficientnet_lite import LITE0, STEM_FILTERS, TOP_FILTERS

    def convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
        convolved = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [convolved, nn.BatchNorm2d(outputs, eps=1e-3)]

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int):
            super().__init__()
            wide = inputs * expand
            layers = [*convolution(inputs, wide, 1, 1), nn.ReLU6()] if expand > 1 else []
            layers += [*convolution(wide, wide, kernel, stride, wide), nn.ReLU6(), *convolution(wide, outputs, 1, 1)]
            self.layers, self.added = nn.Sequential(*layers), stride == 1 and inputs == outputs

        def forward(self, x: Any) -> Any:
            return x + self.layers(x) if self.added else self.layers(x)

    blocks: list[Any] = [nn.Sequential(*convolution(3, STEM_FILTERS, 3, 2), nn.ReLU6())]
    filters = STEM_FILTERS
    for stage in LITE0:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(Block(filters, stage.filters, stage.kernel, stride, stage.expand))
            filters = stage.filters
    blocks.append(nn.Sequential(*convolution(filters, TOP_FILTERS, 1, 1), nn.ReLU6()))
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(TOP_FILTERS, CLASSES))
    return nn.Sequential(*(blocks if top_blocks is None else blocks[-top_blocks:]), *tail)


def torch_resnet8() -> Any:
    """ResNet-8 as networks/small_resnets.py builds it."""
    from torch import nn

    def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
        convolved = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(convolved, nn.BatchNorm2d(outputs))

    class Residual(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.first = convolution(inputs, outputs, 3, stride)
            self.second = convolution(outputs, outputs, 3, 1)
            self.shortcut = nn.Identity() if stride == 1 else convolution(inputs, outputs, 1, stride)

        def forward(self, x: Any) -> Any:
            return (self.second(self.first(x).relu()) + self.shortcut(x)).relu()

    blocks = (Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2))
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, CLASSES))
    return nn.Sequential(convolution(3, 16, 3, 2), nn.ReLU(), *blocks, *tail)


def data(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One batch of random inputs and labels."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 2, (BATCH, *shape)).astype("float32"), rng.integers(CLASSES, size=BATCH)


def measure_here(row: str, way: str, seconds: float) -> None:
    """In a process of its own: make the step, say so, wait for the word to begin, print images/s."""
    threads = WAYS[way][1]
    step = torch_step(row, threads) if way == "torch" else keras_step(row, way.partition("-")[0], threads)
    for _ in range(5):
        step()
    print("ready", flush=True)
    sys.stdin.readline()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    print(steps * BATCH / (time.perf_counter() - start), flush=True)


def measure(row: str, way: str, seconds: float) -> float:
    """Images/s of all processes of a way together."""
    command = [sys.executable, "-m", "benchmarks.engine", "--measure", row, way, "--seconds", str(seconds)]
    _, _, processes, one_dnn = WAYS[way]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": one_dnn}
    if not one_dnn:
        del environment["TF_ENABLE_ONEDNN_OPTS"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, env=environment, text=True, **pipes) for _ in range(processes)]
    for process in running:
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{row} by {way} failed")
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def table(rates: dict[tuple[str, str], list[float]], ways: list[str]) -> str:
    """The Markdown of engine.md; a ratio is the median of the ratios of each round."""
    lines = [
        "# Training steps by engine",
        "",
        f"Images/s at {IMAGE_SIZE} pixels in batches of {BATCH}, median of {len(next(iter(rates.values())))} rounds; "
        f"{CORES} cores, {platform.machine()}, Python {platform.python_version()}; made by "
        "`python -m benchmarks.engine`.",
        "",
        "| training step | " + " | ".join(WAYS[way][0] for way in ways) + " | over Keras | over PyTorch |",
        "|---|" + "---:|" * (len(ways) + 2),
    ]
    for row, heading in ROWS.items():
        ours = rates[row, "fused-all"]
        cells = [f"{statistics.median(rates[row, way]):,.0f}" for way in ways]
        for other in ("keras", "torch"):
            pairs = [own / theirs for own, theirs in zip(ours, rates.get((row, other), []), strict=False)]
            cells.append(f"x {statistics.median(pairs):.2f}" if pairs else "")
        lines.append(f"| {heading} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("ROW", "WAY"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    given = parser.parse_args()
    if given.measure:
        measure_here(*given.measure, given.seconds)
        return
    ways = [way for way in WAYS if way != "torch" or importlib.util.find_spec("torch")]
    rates: dict[tuple[str, str], list[float]] = {}
    for number in range(given.rounds):
        for row in given.rows:
            for way in ways:
                rates.setdefault((row, way), []).append(measure(row, way, given.seconds))
                print(f"round {number + 1}: {row} by {way}: {rates[row, way][-1]:,.0f} images/s", flush=True)
    if list(given.rows) == list(ROWS):
        text = table(rates, ways)
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
        print(text, end="")


if __name__ == "__main__":
    main()
