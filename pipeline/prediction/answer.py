"""Predict new images: the calibrated mean of an arm's networks, and a warning where an image is unlike the target's."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from pipeline.config.params import Params
from pipeline.networks.device import use_device
from pipeline.prediction.members import Member, out_of_fold
from pipeline.prediction.pixels import Chunk, Decoder, chunks, decoder_of
from pipeline.prediction.recommended import Recommended
from pipeline.prediction.temperature import at_temperature, fit_temperature
from pipeline.prediction.unlike import Known, known
from pipeline.store.errors import InputError
from pipeline.store.files import check_sealed, read_json, read_npy, read_parquet
from pipeline.store.paths import Paths
from pipeline.store.probabilities import normalised
from pipeline.store.progress import progress
from pipeline.store.roles import role_column
from pipeline.store.seeds import seed_for
from pipeline.training.folds import class_names, images_of

MOST_COMPARED = 1000  # of the target's images on either side that set the limit of what is unlike
UNREADABLE = "not predicted: "
COLOUR = "in colour, the target's images are grey"
DEEP = "of more than 8 bits, the target's images are of 8: the full range is taken for black to white"
OWN = "one of the target's images: predicted only by networks that did not train on it"


@dataclass(frozen=True)
class Task:
    """A target, and what the networks predicted of its images out of fold.

    Attributes:
        examples: of `split`. images: uint8 (N, s, s, c), memory-mapped, which the examples' rows refer to.
        tested: image_id -> the folds whose networks did not train on the image.
        deep: whether the dataset has files of more than 8 bits.
    """

    examples: pd.DataFrame
    images: np.ndarray
    classes: list[str]
    tested: dict[str, set[int]]
    temperature: float
    deep: bool

    @property
    def size(self) -> int:
        return int(self.images.shape[1])

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """The images at positions (n,) of the examples, uint8 (n, s, s, c)."""
        return np.asarray(self.images[self.examples["row"].to_numpy()[positions]])


def answer(
    params: Params, paths: Paths, chosen: Recommended, images: dict[str, Path], workers: int
) -> tuple[pd.DataFrame, float]:
    """Predict images, in bounded memory whatever their number.

    Args:
        images: name -> file. workers: batches at once, each on one core.

    Returns:
        A table with a row an image, and the temperature. Columns: path, label, p_<class>..., distance (to the nearest
        of the target's images, as a multiple of the limit) and warning (empty: none). Where an image cannot be read,
        label and numbers are missing, and the warning says why.

    Raises:
        InputError: an output of the run is absent or damaged, or no image can be read.
    """
    use_device(params.run.device, trains=False)  # before Keras is imported
    task = read_task(paths, chosen)
    decoder = decoder_for(params, paths, chosen.target)
    total = len(images) * (len(chosen.members) + 1)
    with (
        joblib.parallel_config("threading", n_jobs=workers),
        progress(total=total, label="predict", unit="step") as bar,
    ):
        tables = list(tables_of(params, task, chosen, chunks(images, decoder, task.size), bar.update))
    table = pd.concat(tables, ignore_index=True)
    if table["label"].isna().all():
        path, reason = table[["path", "warning"]].iloc[0]
        raise InputError(f"None of {len(table):,} images can be read. The first, {path}, is {reason}.")
    return table, task.temperature


def tables_of(
    params: Params, task: Task, chosen: Recommended, parts: Iterable[Chunk], on_images: Callable[[int], object]
) -> Iterator[pd.DataFrame]:
    """The table of every chunk; see `answer`."""
    from pipeline.prediction.ensemble import prepare

    prepare(params.run.precision)
    judge = max(chosen.members, key=lambda member: member.quality)  # the first of equals
    alike = known_images(task, judge, seed_for(params.run.seed, "predict", chosen.target))
    for chunk in parts:
        on_images(len(chunk.names))
        if len(chunk.index):
            probabilities, distance = predicted(task, chosen.members, judge, alike, chunk, on_images)
            yield rows_of(task, chunk, at_temperature(probabilities, task.temperature), distance)
        else:
            yield rows_of(task, chunk, np.empty((0, len(task.classes))), np.empty(0))


def decoder_for(params: Params, paths: Paths, target: str) -> Decoder:
    """The decoder of the dataset that a target was split from.

    Raises:
        InputError: params.yaml no longer has this dataset.
    """
    dataset = read_json(paths.target(target).images)["dataset"]
    if dataset not in params.datasets:
        raise InputError(f"Target '{target}' was split from dataset '{dataset}', which params.yaml lacks now. Add it.")
    return decoder_of(params.datasets[dataset], paths.dataset(dataset))


def read_task(paths: Paths, chosen: Recommended) -> Task:
    """Read a target and fit the temperature to the networks' out-of-fold predictions.

    It is that of the mean over the repeats of each image, the nearest to the mean of all networks on a new image.
    """
    check_sealed(paths.target(chosen.target).folder)
    examples = read_parquet(paths.target(chosen.target).examples)
    images, classes = read_npy(images_of(paths, chosen.target)), class_names(examples)
    predictions = out_of_fold(chosen.members)
    columns = [f"p_{name}" for name in classes]
    means = predictions.groupby("image_id")[columns].mean().loc[examples["image_id"]].reset_index()
    temperature = temperature_of(examples, means)
    tested = {str(image): set(folds) for image, folds in predictions.groupby("image_id")["fold"]}
    card = read_json(paths.dataset(read_json(paths.target(chosen.target).images)["dataset"]).card)
    return Task(examples, images, classes, tested, temperature, bool(card.get("more_than_8_bits")))


def temperature_of(examples: pd.DataFrame, predictions: pd.DataFrame) -> float:
    """The temperature of predictions, a row an image or several: image_id, p_<class>..."""
    classes = class_names(examples)
    rows = examples.set_index("image_id").loc[predictions["image_id"]]
    labels = pd.Categorical(rows["label"], categories=classes).codes.astype("int64")
    probabilities = normalised(predictions[[f"p_{name}" for name in classes]].to_numpy())
    return fit_temperature(probabilities, labels, rows["weight"].to_numpy("float64"))


def known_images(task: Task, judge: Member, seed: int) -> Known:
    """What the network of one fold knows: features of images that it may have trained on, and the limit by others."""
    from pipeline.prediction.ensemble import outputs

    tests = (task.examples[role_column(judge.fold)] == "test").to_numpy()
    shuffled = np.random.default_rng(seed).permutation(len(tests))
    trained, held_out = (np.sort(shuffled[tests[shuffled] == side][:MOST_COMPARED]) for side in (False, True))
    found = outputs(judge, task.pixels(np.concatenate([trained, held_out]))).features
    return known(found[: len(trained)], found[len(trained) :])


def predicted(
    task: Task, members: list[Member], judge: Member, alike: Known, chunk: Chunk, on_images: Callable[[int], object]
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (m, k) of the readable images of a chunk, before calibration, and their distances (m,).

    They are means over all networks; of an image of the target, over those alone that did not train on it.
    """
    from pipeline.prediction.ensemble import outputs

    sums, counts = np.zeros((len(chunk.index), len(task.classes))), np.zeros(len(chunk.index))
    distance, frozen = counts.copy(), dict[Path, np.ndarray]()
    for member in members:
        found = outputs(member, chunk.pixels, on_images, frozen)
        used = np.array([member.fold in task.tested.get(content, {member.fold}) for content in chunk.contents])
        sums[used] += found.probabilities[used]
        counts += used
        if member is judge:
            distance = alike.excess(found.features)
    return sums / counts[:, None], distance


def rows_of(task: Task, chunk: Chunk, probabilities: np.ndarray, distance: np.ndarray) -> pd.DataFrame:
    """The rows of a chunk, of probabilities (m, k) after calibration; see `answer`."""
    warnings = [UNREADABLE + chunk.faults[i] if i in chunk.faults else "" for i in range(len(chunk.names))]
    for at, position in enumerate(chunk.index):
        warnings[position] = "; ".join(_warnings(task, chunk, at, distance[at]))
    readable = pd.DataFrame(probabilities, chunk.index, [f"p_{name}" for name in task.classes])
    readable.insert(0, "label", np.array(task.classes, object)[probabilities.argmax(1)])
    table = readable.assign(distance=distance).reindex(range(len(chunk.names)))
    table.insert(0, "path", chunk.names)
    return table.assign(warning=warnings)


def _warnings(task: Task, chunk: Chunk, at: int, distance: float) -> list[str]:
    found = [COLOUR] if chunk.colour[at] and task.images.shape[-1] == 1 else []
    found += [DEEP] if chunk.deep[at] and not task.deep else []
    if chunk.contents[at] in task.tested:
        return [*found, OWN]
    return [*found, f"unlike the target's images: {distance:.2f} times the limit"] if distance > 1 else found
