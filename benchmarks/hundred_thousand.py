"""A data set of 100,000 images through the stages of a transfer: seconds, memory and bytes of each stage.

    python -m benchmarks.hundred_thousand              # 10,000, 30,000 and 100,000 images: an hour on two cores

The images are drawn here (`draw`): smooth textures of 64 pixels as JPEG files in two class folders, one in a hundred a
re-encoded copy of its neighbour. Every stage is a process of its own, as DVC runs it: `python -m pipeline STAGE NAME`
on the params of this repository with one data set, one target of 32 pixels and one transfer of EfficientNet-Lite0 (the
extra `demo`). At that size the network costs a fiftieth of what it costs at 224 pixels, so that the stages' own work
shows; benchmarks/extraction.py has its speed at true sizes. Writes hundred_thousand.md and hundred_thousand.svg.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import joblib
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.rows import Row, fill
from pipeline.datasets.hash_search import close_pairs
from pipeline.store.yaml import read_yaml

ROOT = Path(__file__).parents[1]
SIDE, GRIDS = 64, {"coarse": 5, "fine": 9}  # pixels; side of the noise that a class's textures are drawn from
COPIES = 100  # one image in so many is a re-encoded copy of the one before
NUMBERS, MILLION = (10_000, 30_000, 100_000), 1_000_000
SEARCHED = (10_000, 100_000, 1_000_000)
STAGES = (
    ("ingest", "textures"),
    ("validate", "textures"),
    ("split", "textures"),
    ("leakage", None),
    ("source", "imagenet"),
    ("extract", "to-textures"),
    ("forecast", "to-textures"),
    ("head", "to-textures"),
)
SHOWN = ("ingest", "validate", "split", "extract", "forecast", "head")
POLL = 0.2  # seconds between two looks at a process's memory


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds by the wall clock and of all cores; peak memory and written files in bytes.

    `private` is the part of the peak that the system cannot drop: memory maps of files are not in it.
    """

    seconds: float
    cores: float
    peak: int
    private: int
    written: int


def draw(folder: Path, number: int) -> None:
    """Write an image: noise on a coarse or fine grid, enlarged smoothly; a copy is its neighbour at lower quality."""
    copied = number % COPIES == COPIES - 1
    origin = number - 1 if copied else number
    names = list(GRIDS)
    name = names[origin % len(names)]
    rng = np.random.default_rng(origin)
    noise = rng.integers(0, 256, (GRIDS[name], GRIDS[name], 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    image.save(folder / name / f"{number:07d}.jpg", quality=70 if copied else 90)


def draw_all(folder: Path, numbers: Sequence[int]) -> None:
    """Write the images of these numbers."""
    for number in numbers:
        draw(folder, number)


def make_workspace(root: Path, images: int) -> None:
    """Draw the images and write dvc.yaml and params.yaml."""
    raw = root / "data" / "raw" / "textures"
    for name in GRIDS:
        (raw / name).mkdir(parents=True)
    pieces = [range(start, min(start + 1000, images)) for start in range(0, images, 1000)]
    with ProcessPoolExecutor(joblib.cpu_count()) as pool:
        list(pool.map(draw_all, [raw] * len(pieces), pieces))
    shutil.copyfile(ROOT / "dvc.yaml", root / "dvc.yaml")
    params = read_yaml(ROOT / "params.yaml")
    params["run"] |= {"image_size": SIDE, "repeats": 1, "augmentation": "none", "device": "cpu"}
    params |= {
        "datasets": {"textures": {"reader": "folder", "raw": "data/raw/textures", "labels": ["label"]}},
        "targets": {"textures": {"dataset": "textures", "label": "label", "image_size": 32}},
        "sources": {"imagenet": {"architecture": "efficientnet_lite0", "weights": "imagenet"}},
        "baselines": {"textures": {"target": "textures", "architecture": "efficientnet_lite0"}},
        "transfers": {"to-textures": {"setting": "inductive", "source": "imagenet", "target": "textures"}},
        "questions": {"pays": {"target": "textures", "arm": "transfers/to-textures", "against": "baselines/textures"}},
        **{section: {} for section in ("pretrained", "adaptations", "rescaled", "studies")},
    }
    with (root / "params.yaml").open("w") as file:
        YAML().dump(params, file)


def measured(root: Path, stage: str, name: str | None) -> Cost:
    """Run one stage in a process of its own."""
    before, start, private = size_of(root), time.perf_counter(), [0]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "pipeline", stage, *([name] if name else [])]
    process = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.DEVNULL)
    watch = threading.Thread(target=_watch, args=(process.pid, private), daemon=True)
    watch.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    watch.join()
    if status:
        raise SystemExit(f"{stage} failed in {root}")
    cores, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024  # KiB on Linux
    return Cost(seconds, cores, peak, private[0], size_of(root) - before)


def _watch(pid: int, most: list[int]) -> None:
    while True:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return
        most[0] = max([most[0], *(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))])
        if not any(line.startswith("RssAnon") for line in lines):  # it has ended
            return
        time.sleep(POLL)


def size_of(root: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(
        file.stat().st_size for part in ("data", "models", "reports", ".store") for file in (root / part).rglob("*")
    )


def run_through(images: int, folder: Path) -> Row:
    """All stages on so many images: a row of the table."""
    root = folder / str(images)
    shutil.rmtree(root, ignore_errors=True)  # of a call that was interrupted
    start = time.perf_counter()
    make_workspace(root, images)
    seconds, size = time.perf_counter() - start, size_of(root) / images
    print(f"{images:,} images drawn in {seconds:.0f} s, {size:,.0f} bytes each", flush=True)
    row: Row = {"images": images}
    for stage, name in STAGES:
        cost = measured(root, stage, name)
        print(f"{images:>9,} {stage:9} {cost}", flush=True)
        row |= {f"{stage}.{key}": value for key, value in asdict(cost).items()}
    shutil.rmtree(root)
    return row


def search_seconds(count: int) -> float:
    """Core seconds in which all hashes within 10 bits are found among so many, each with that of its inner part."""
    rng = np.random.default_rng(0)
    hashes, inner = rng.integers(0, 2**64, (2, count), dtype=np.uint64)
    start = time.process_time()
    for _ in close_pairs(hashes, np.append(hashes, inner), 10):
        pass
    return time.process_time() - start


def cost_of(row: Row, stage: str) -> Cost:
    return Cost(**{field.name: row[f"{stage}.{field.name}"] for field in fields(Cost)})


def table(rows: list[Row], searches: dict[int, float]) -> str:
    """The Markdown of hundred_thousand.md."""
    lines = [
        "# A hundred thousand images",
        "",
        f"Made by `python -m benchmarks.hundred_thousand` on {joblib.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}: JPEG files of {SIDE} pixels, stored at that size, and EfficientNet-Lite0 at 32 "
        "pixels, whose activations are cached for one view. Peak is the resident memory of the stage's process with "
        "its memory maps, private the part that the system cannot drop. Written are the outputs, and their copy in "
        "`.store`.",
        "",
        "![Core seconds over images, by stage, on logarithmic axes](hundred_thousand.svg)",
        "",
        "| stage | images | seconds | core seconds | images/s | peak, GB | private, GB | written, bytes an image |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for stage in SHOWN:
        for images, cost in ((row["images"], cost_of(row, stage)) for row in rows):
            lines.append(
                f"| {stage} | {images:,.0f} | {cost.seconds:,.0f} | {cost.cores:,.0f} | {images / cost.seconds:,.0f} | "
                f"{cost.peak / 1e9:.2f} | {cost.private / 1e9:.2f} | {cost.written / images:,.0f} |"
            )
    measured = [row for row in rows if row["images"] in NUMBERS]
    if len(measured) == len(NUMBERS):
        lines += growth(measured)
    lines += [
        "",
        "The search for near-duplicates, a part of `ingest`, alone: random hashes, each with that of the image without "
        "its margin, within 10 bits.",
        "",
        "| images | core seconds | pairs that comparing all would look at |",
        "|---:|---:|---:|",
        *(f"| {count:,} | {seconds:.1f} | {2 * count**2:.0e} |" for count, seconds in searches.items()),
    ]
    return "\n".join(lines) + "\n"


def growth(rows: list[Row]) -> list[str]:
    """What an image more costs at first and later, and at the later price a million."""
    few, some, many = (row["images"] for row in rows)
    lines = [
        "",
        f"Linear is what costs as much an image more between {some:,.0f} and {many:,.0f} images as between {few:,.0f} "
        "and that. A million images, on paper, at the later price:",
        "",
        f"| stage | core ms an image more, from {few:,.0f} | from {some:,.0f} | a million: core hours | peak, GB | "
        "private, GB | written, GB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for stage in SHOWN:
        first, second, third = (cost_of(row, stage) for row in rows)
        early, later = (second.cores - first.cores) / (some - few), (third.cores - second.cores) / (many - some)
        hours, peak, private, written = (
            getattr(third, key) + (MILLION - many) * (getattr(third, key) - getattr(second, key)) / (many - some)
            for key in ("cores", "peak", "private", "written")
        )
        lines.append(
            f"| {stage} | {early * 1000:.2f} | {later * 1000:.2f} | {hours / 3600:.1f} | {peak / 1e9:.1f} | "
            f"{private / 1e9:.1f} | {written / 1e9:.1f} |"
        )
    return lines


def draw_growth(rows: list[Row], path: Path) -> None:
    """Write a figure of core seconds over images, on logarithmic axes, where what is linear has slope 1."""
    images = np.array([row["images"] for row in rows])
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for stage in SHOWN:
        axes.loglog(images, [cost_of(row, stage).cores for row in rows], "o-", label=stage)
    longest = max(cost_of(rows[0], stage).cores for stage in SHOWN)
    axes.loglog(images, longest * images / images[0], color="grey", linestyle=":", label="slope 1: linear")
    axes.set(xlabel="images", ylabel="core seconds")
    axes.legend(ncols=2, frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):  # the same bytes for the same figures
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=NUMBERS)
    parser.add_argument("--folder", type=Path, help="where the workspaces lie while they are used")
    parser.add_argument("--rows", type=Path, help="a CSV to keep what is done in; a second call goes on from there")
    given = parser.parse_args()
    made: list[list[Row]] = []
    with tempfile.TemporaryDirectory(prefix="images-") as temporary:
        folder = given.folder or Path(temporary)
        keys = [{"images": images} for images in given.images]
        fill(
            keys,
            lambda key: run_through(key["images"], folder),
            given.rows,
            lambda rows: made.__setitem__(slice(None), rows),
        )
    made.sort(key=lambda row: row["images"])  # a CSV has them in the order in which they were asked for
    text = table(made, {count: search_seconds(count) for count in SEARCHED})
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    draw_growth(made, Path(__file__).with_suffix(".svg"))
    print(text, end="")


if __name__ == "__main__":
    main()
