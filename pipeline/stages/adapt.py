"""adapt: unsupervised domain adaptation of a source to a target, beside the unadapted source and a linear probe."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from pipeline.adaptation import keeping
from pipeline.adaptation.choice import Chosen, Parts, choose, count_candidates
from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Images, Labelled, Source
from pipeline.arms.predictions import predictions_table
from pipeline.config.params import Params
from pipeline.config.schema import Adapt, Adaptation
from pipeline.datasets.hygiene import check_unseen
from pipeline.networks.flops import GIGA, forward_flops
from pipeline.networks.heads import set_precision
from pipeline.networks.saving import load_model
from pipeline.store.errors import InputError
from pipeline.store.files import (
    read_json,
    read_parquet,
    replacing_folder,
    sha256_file,
    write_csv,
    write_json,
    write_parquet,
)
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths
from pipeline.store.paths import Paths
from pipeline.store.progress import progress
from pipeline.store.roles import examples_of, fold_count, repeat_count, role_column
from pipeline.store.seeds import seed_for
from pipeline.training.fingerprint import examples_of_fold
from pipeline.training.folds import Part, class_names, fold_parts, images_of
from pipeline.training.on_device import images_loader
from pipeline.training.pooled import pooled_features, pooling

SOURCE_ONLY, ADAPTED, CEILING = "source_only", "adapted", "target_supervised"
FIXED = "coral"  # the method that stands beside the chosen one as a fixed rule, if it is among those tried
NOTHING: dict[str, Any] = {"folds": [], "gflops": 0.0, "backward_gflops": 0.0}  # the cost of an arm that is not counted
QUALITIES = {"accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score}  # measured after the choice


def check_source(paths: Paths, source: str, target: str) -> None:
    """Refuse a source without the target's classes, or one that was trained on images of the target.

    Raises:
        InputError: the source has no head, other classes, or was trained on images of the target.
    """
    files = paths.source(source)
    if not files.head.is_file():
        raise InputError(
            f"Source '{source}' has no head of its own; adapting needs one that learnt the target's classes. "
            "Take an entry of `pretrained` with `pretrain: supervised`."
        )
    examples = read_parquet(paths.target(target).examples)
    learnt, wanted = (class_names(table) for table in (read_parquet(files.examples), examples))
    if learnt != wanted:
        raise InputError(
            f"Source '{source}' knows the classes {', '.join(learnt)}, target '{target}' has {', '.join(wanted)}; "
            "adapting needs the same. Take another source, or a target with the source's label."
        )
    origin = read_json(paths.target(target).images)
    if files.seen.is_file():
        check_unseen(read_parquet(files.seen), examples, origin["dataset"], source, target)


def source_images(paths: Paths, source: str) -> Path:
    """The images.npy that a source was trained on.

    Raises:
        InputError: the file has changed since.
    """
    origin = read_json(paths.source(source).images)
    images = paths.dataset(origin["dataset"]).images
    if not images.is_file() or sha256_file(images) != origin["sha256"]:
        raise InputError(f"{images} is not the file that source '{source}' learnt from. Run `dvc repro`.")
    return images


def read_source(paths: Paths, name: str, class_weight: str) -> Source:
    """Load a source's network and head, and extract the features of its labelled images."""
    files = paths.source(name)
    backbone, head = load_model(files.backbone), load_model(files.head)
    set_precision(backbone)
    network = pooling(backbone)
    table = read_parquet(files.examples)
    load = images_loader(source_images(paths, name), table["row"].to_numpy(), "none")
    features = pooled_features(network, load, np.arange(len(table)))
    parts = fold_parts(table.assign(weight=1.0, **{role_column(0): table["role"]}), 0, class_weight)
    return Source(network, head, labelled(features, parts.train), labelled(features, parts.validation))


def labelled(features: np.ndarray, part: Part) -> Labelled:
    """The features of a part with its labels and weights."""
    return Labelled(features[part.positions], part.labels, part.weights)


def unlabelled_parts(images: Images, roles: pd.Series) -> Parts:
    """The images of one fold, without labels: all that an adaptation method sees of the target.

    The train part includes images whose labels are unused: the labelled subset was drawn by class, so that its class
    shares are not the target's.
    """
    parts = {"train": ("train", "unused"), "validation": ("validation",), "test": ("test",)}
    return Parts(**{name: images.part(np.flatnonzero(roles.isin(names))) for name, names in parts.items()})


def ceiling(features: np.ndarray, examples: pd.DataFrame, fold: int, class_weight: str) -> np.ndarray:
    """Probabilities (n, k) of the test part by a linear probe: the source's frozen features, the target's labels.

    It is trained on the labelled images alone. It is no upper bound: a network that is fine-tuned or adapted in all of
    its layers may be better.
    """
    parts = fold_parts(examples, fold, class_weight)
    head = fit_linear(labelled(features, parts.train), labelled(features, parts.validation))
    return head.predict(features[parts.test.positions])


def fold_keys(
    paths: Paths, adaptation: Adaptation, params: Params, examples: pd.DataFrame, seeds: list[int]
) -> list[str]:
    """The key in the store of every fold: of its source, settings, seed, images and their roles."""
    source = paths.source(adaptation.source)
    files = [source.backbone, source.head, source.examples, source_images(paths, adaptation.source)]
    files.append(images_of(paths, adaptation.target))
    shared = [*files, params.run.class_weight, params.run.precision, params.adapt]
    return keeping.keys(shared, [[seed, examples_of_fold(examples, fold)] for fold, seed in enumerate(seeds)])


def tables(
    examples: pd.DataFrame, features: np.ndarray, chosen: list[Chosen], class_weight: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of the arms, a row a tested image and arm; and the candidates, a row a fold and candidate.

    A candidate's quality on test images is measured after the choice and took no part in it.
    """
    predictions, candidates = [], []
    for fold, result in enumerate(chosen):
        tested = np.flatnonzero(examples[role_column(fold)] == "test")
        supervised = ceiling(features, examples, fold, class_weight)
        arms = {SOURCE_ONLY: result.source_only, ADAPTED: result.adapted, CEILING: supervised}
        if (fixed := result.by(FIXED)) is not None:
            arms[FIXED] = fixed
        for arm, predicted in arms.items():
            table = predictions_table(examples, fold, tested, predicted)
            table.insert(0, "arm", arm)
            predictions.append(table)
        truth = fold_parts(examples, fold, class_weight).test.labels
        quality = {name: [score(truth, each.argmax(1)) for each in result.tested] for name, score in QUALITIES.items()}
        candidates.append(result.candidates.assign(fold=fold, **quality))
    columns = ["fold", "method", "strength", "criterion", "chosen", *QUALITIES]
    return pd.concat(predictions, ignore_index=True), pd.concat(candidates, ignore_index=True)[columns]


def cost_of(chosen: list[Chosen], images: int, forward: float) -> dict[str, Any]:
    """GFLOPs of the stage: `images` passed once through the network (`forward` each), then those of every fold.

    `backward_gflops` is the back-propagation in `gflops`. Closed forms and linear probes are not counted.
    """
    folds = [{"fold": fold, **result.cost} for fold, result in enumerate(chosen)]
    gflops, backward = (sum(fold[count] for fold in folds) for count in ("gflops", "backward_gflops"))
    return {"images": images, "folds": folds, "gflops": images * forward + gflops, "backward_gflops": backward}


def write_arms(
    out: TrainedPaths,
    facts: dict[str, Any],
    costs: dict[str, dict[str, Any]],
    predictions: pd.DataFrame,
    candidates: pd.DataFrame | None = None,
) -> None:
    """Write the arms that `costs` names and, where given, the table of candidates."""
    with replacing_folder(out.folder) as folder:
        written = TrainedPaths(folder)
        for arm, cost in costs.items():
            written.arm(arm).folder.mkdir()
            table = predictions[predictions["arm"] == arm].drop(columns="arm")
            write_parquet(written.arm(arm).predictions, table)
            write_json(written.arm(arm).cost, cost | {"before_gflops": 0.0})
        if candidates is not None:
            write_csv(written.candidates, candidates)
        write_json(written.facts, {**facts, "arms": list(costs), "judged": next(iter(costs))})


def run(params: Params, paths: Paths, name: str) -> str:
    """Read source and target, write the predictions of the arms, the candidates and the cost."""
    adaptation = params.adaptations[name]
    settings: Adapt = params.adapt
    keras.config.set_dtype_policy(params.run.precision)
    pixels = images_of(paths, adaptation.target)
    check_source(paths, adaptation.source, adaptation.target)
    source = read_source(paths, adaptation.source, params.run.class_weight)
    examples = examples_of(paths.target(adaptation.target), f"adaptations/{name}")
    load = images_loader(pixels, examples["row"].to_numpy(), "none")
    positions = np.arange(len(examples))
    images = Images(pooled_features(source.network, load, positions), load, positions)
    folds = [unlabelled_parts(images, examples[role_column(fold)]) for fold in range(fold_count(examples))]

    def seed(fold: int, method: str) -> int:
        return seed_for(params.run.seed, "adapt", name, fold, method)

    store = Store(paths.store)
    keys = fold_keys(paths, adaptation, params, examples, [seed(fold, "") for fold in range(len(folds))])
    with store.in_use():
        missing = [fold for fold, key in enumerate(keys) if not store.has(key)]
        with progress(total=2 * len(missing) * count_candidates(settings), label=name, unit="step") as bar:
            new = choose(
                source, [folds[fold] for fold in missing], settings, lambda i, m: seed(missing[i], m), bar.update
            )
        for fold, result in zip(missing, new, strict=True):
            keeping.keep(store, keys[fold], result)
        chosen = [keeping.read(store, key) for key in keys]
    predictions, candidates = tables(examples, images.features, chosen, params.run.class_weight)
    seen = len(source.train.labels) + len(source.validation.labels) + len(examples)
    seen *= repeat_count(examples)  # each repeat is priced as if run alone
    cost = cost_of(chosen, seen, forward_flops(source.network) / GIGA)
    facts = {"setting": "transductive", "source": adaptation.source, "target": adaptation.target}
    write_arms(paths.trained("unadapted", name), facts, {SOURCE_ONLY: NOTHING}, predictions)
    costs = {ADAPTED: cost, **({FIXED: NOTHING} if FIXED in settings.methods else {}), CEILING: NOTHING}
    write_arms(paths.trained("adaptations", name), facts, costs, predictions, candidates)
    methods = ", ".join(result.cost["method"] for result in chosen)
    return f"{len(folds)} folds, {len(candidates)} candidates, chosen by {settings.criterion}: {methods}"
