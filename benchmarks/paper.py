"""Accuracy on ELPV beside published figures: EfficientNet-Lite0 and Lite2 by the profile `paper`, and by solar module.

    python -m benchmarks.paper            # on a GPU: the settings of the profile, from scratch left out
    python -m benchmarks.paper --cores    # on two cores: the top six blocks, from cached activations: about two hours

A workspace a protocol in runs/: `random` is that of the papers, where cells of one module are trained on and tested;
`grouped` keeps them together and so tells what to expect on a new module. `dvc repro` makes the fine-tuned networks in
each, and their predictions of images that they were not trained on are compared here. Writes paper.md.
"""

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from pipeline.config.loading import load_params
from pipeline.store.files import read_parquet, write_text
from pipeline.store.paths import Paths
from pipeline.store.yaml import read_yaml
from pipeline.verdict.arms import Array, Tested, aligned, tested_images
from pipeline.verdict.metrics import METRICS, group_influence

ROOT = Path(__file__).parents[1]
PROTOCOLS, METRIC_NAMES = ("random", "grouped"), ("accuracy", "balanced_accuracy", "roc_auc")
CORES: dict[str, dict[str, Any]] = {  # in place of the profile's: what two cores can do
    "head": {"learning_rate": [1e-3]},
    "tune": {"unfreeze": 6, "batch_norm": "frozen", "epochs": 12, "patience": 12, "learning_rate": [3e-4]},
    "scratch": {"learning_rate": [1e-3]},  # not trained here, but held to as many settings
}
PUBLISHED = (
    ("SVM on hand-made features, Deitsch et al. 2019", 0.8244),
    ("VGG-19, fine-tuned, Deitsch et al. 2019", 0.8842),
    ("VGG-19, labels binarised at 2/3, Song et al. 2024", 0.90),
)


def workspace(protocol: str, changes: dict[str, dict[str, Any]]) -> Path:
    """Make the workspace of a protocol, with these changes of settings."""
    folder = ROOT / "runs" / f"paper-{protocol}"
    run([sys.executable, "-m", "pipeline", "profile", "paper", "--into", str(folder)], ROOT)
    params = read_yaml(folder / "params.yaml")
    for section, values in {**changes, "run": {"protocol": protocol}}.items():
        params[section] |= values
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    run([sys.executable, "-m", "pipeline", "check"], folder)
    return folder


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def fine_tune(folder: Path, transfers: list[str]) -> None:
    """Train what these transfers need up to their fine-tuned networks."""
    run([sys.executable, "-m", "dvc", "repro", *(f"tune@{name}" for name in transfers)], folder)


def estimate(metric: str, tested: Tested, probabilities: Array) -> tuple[float, float]:
    """A metric over all images, each tested once, and half the width of its 95 % interval.

    The standard error is that of the infinitesimal jackknife over groups.
    """
    used = tested.weights > 0
    arrays = tested.labels[used], probabilities[used], tested.weights[used]
    value = METRICS[metric](*arrays)
    if value is None:
        raise SystemExit(f"{metric} is undefined")
    influence = group_influence(METRICS[metric], *arrays, np.unique(tested.group[used], return_inverse=True)[1])
    return value, 1.96 * float(np.sqrt((influence**2).sum()))


def row(folder: Path, transfer: str, protocol: str) -> str:
    """A line of the table."""
    paths = Paths(folder)
    params = load_params(paths.params)
    entry = params.transfers[transfer]
    examples = read_parquet(paths.target(entry.target).examples)
    tested = tested_images(examples)
    tuned = read_parquet(paths.trained("transfers", transfer).arm("tuned").predictions)
    probabilities = aligned(tuned, examples, tested)
    alike = replace(tested, weights=np.ones_like(tested.weights))
    found = [estimate("accuracy", alike, probabilities)]
    found += [estimate(metric, tested, probabilities) for metric in METRIC_NAMES]
    cells = (f"{value:.3f} [{value - half:.3f}, {value + half:.3f}]" for value, half in found)
    return f"| {params.sources[entry.source].architecture} | {protocol} | {' | '.join(cells)} |"


def table(rows: list[str], tune: dict[str, Any], command: str) -> str:
    """The Markdown of paper.md."""
    told = ", ".join(f"{key} {value}" for key, value in tune.items())
    machine = f"{len(os.sched_getaffinity(0))} cores of {platform.machine()}, Python {platform.python_version()}"
    lines = [
        "# Accuracy beside published figures",
        "",
        "ELPV, defective or functional, 224 pixels, out-of-fold over four folds: every image is tested once, by a "
        "network that learnt from 67 % of all (a tenth of the rest is for validation). Images count by the confidence "
        "of their label in training and, but for the first column, in testing. AUC is over the predictions of all four "
        "networks together. In brackets 95 % intervals over groups of images, given the trained networks.",
        "",
        f"Fine-tuned from ImageNet: {told}. Made by `{command}` on {machine}.",
        "",
        "| network | folds | accuracy, images alike | accuracy | balanced accuracy | AUC |",
        "|---|---|---:|---:|---:|---:|",
        *rows,
        "",
        "Published, on one stratified random split of 75/25, for which `random` stands here:",
        "",
        "| method | accuracy |",
        "|---|---:|",
        *(f"| {name} | {accuracy:.4g} |" for name, accuracy in PUBLISHED),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", action="store_true", help="settings that two cores can do")
    cores = parser.parse_args().cores
    command = "python -m benchmarks.paper" + (" --cores" if cores else "")
    changes, rows = CORES if cores else {}, list[str]()
    for protocol in PROTOCOLS:
        folder = workspace(protocol, changes)
        params = read_yaml(folder / "params.yaml")
        for transfer in params["transfers"]:
            fine_tune(folder, [transfer])
            rows.append(row(folder, transfer, protocol))
            write_text(Path(__file__).with_suffix(".md"), table(rows, params["tune"], command))
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
