"""Make an export: build the one network, write and check its file, and describe it."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import packages_distributions, version
from pathlib import Path

import numpy as np

from pipeline.config.params import Params
from pipeline.export.card import Facts, card
from pipeline.export.formats import CHECKED, FORMATS, write_checked
from pipeline.export.licences import licences, without_folders
from pipeline.export.resizing import add_resizing
from pipeline.networks.device import use_device
from pipeline.prediction.answer import Task, read_task, temperature_of
from pipeline.prediction.members import Member, out_of_fold
from pipeline.prediction.recommended import Recommended
from pipeline.store.files import read_json, read_npy, replacing_folder, write_json, write_text
from pipeline.store.paths import Paths
from pipeline.verdict.arms import aligned, quality, tested_images

CARD, CLASSES = "README.md", "classes.json"


def make(
    params: Params, paths: Paths, chosen: Recommended, asked: str, form: str, refit: bool, resize: bool, folder: Path
) -> str:
    """Write the network of an arm and its card to `folder`, which is replaced as a whole.

    Returns:
        What the network is made of, and how it agrees with Keras, in a line.

    Raises:
        InputError: an output of the run is absent or damaged, or the file answers otherwise than Keras.
    """
    use_device(params.run.device)  # before Keras is imported
    from pipeline.export.network import averaged, single
    from pipeline.export.refit import refitted

    task = read_task(paths, chosen)
    if refit:
        found = refitted(params, paths, chosen.reference, chosen.members)
        temperature, how = temperature_of(task.examples, out_of_fold(chosen.members)), found.told
        model = single(found.network, found.backbone, task.size, temperature)
        chosen = replace(chosen, cautions=(*chosen.cautions, *more_labels(params, chosen.target)))
    else:
        temperature = task.temperature
        how = f"the mean of {len(chosen.members)} networks, one a fold of every repeat"
        model = averaged(chosen.members, task.size, temperature)
    with replacing_folder(folder) as written:
        file, images = written / FORMATS[form].file, checked_images(task)
        difference = write_checked(form, model, images, file)
        facts = describe(params, paths, chosen, task, asked, form, how, temperature, difference)
        if resize:
            facts = replace(facts, resizing=add_resizing(file, model, images, facts.sides))
        write_json(written / CLASSES, task.classes)
        write_text(written / CARD, card(facts))
    inside = f", resized inside or by Pillow by {facts.resizing.probability:.1g}" if facts.resizing else ""
    return f"{how}, temperature {temperature:.2f}; {form} and Keras differ by {difference:.1g} at most{inside}"


def more_labels(params: Params, target: str) -> tuple[str, ...]:
    """What a refit has to say where the networks that were judged had fewer labels than there are."""
    entry = params.targets[target]
    if entry.labels_per_class is None and entry.train_fraction in (None, 1.0):
        return ()
    limit = f"at most {entry.labels_per_class} labels a class" if entry.labels_per_class else "a share of the labels"
    return (f"this network learnt from all labels of {target}, and the figures are of networks that had {limit}",)


def versions(modules: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions that modules come from, such as onnxruntime-gpu for onnxruntime."""
    origin = packages_distributions()  # looks at every installed file
    return {module: version(origin[module][0]) for module in modules}


def checked_images(task: Task) -> np.ndarray:
    """Images of the target, spread evenly: uint8 (n, s, s, 3), n up to CHECKED."""
    from pipeline.training.batches import as_rgb

    total = len(task.examples)
    positions = np.unique(np.linspace(0, total - 1, min(CHECKED, total)).astype(int))
    return as_rgb(task.pixels(positions))


def describe(
    params: Params,
    paths: Paths,
    chosen: Recommended,
    task: Task,
    asked: str,
    form: str,
    how: str,
    temperature: float,
    difference: float,
) -> Facts:
    """What the card tells, from the files of the run."""
    dataset = read_json(paths.target(chosen.target).images)["dataset"]
    files = paths.dataset(dataset)
    sides = [int(read_npy(files.images).shape[1]), task.size]
    question = params.questions[chosen.question] if chosen.question else None
    return Facts(
        name=asked.replace("/", "-"),
        form=form,
        how=how,
        reason=chosen.reason,
        cautions=chosen.cautions,
        reference=chosen.reference,
        arm=question.arm if question else None,
        against=question.against if question else None,
        result=chosen.result,
        metric=params.verdict.metric,
        quality=quality_of(chosen.members, task, params),
        target=chosen.target,
        dataset=dataset,
        title=without_folders(read_json(files.card))["title"],
        images=len(task.examples),
        classes=task.classes,
        sides=list(dict.fromkeys(sides)),
        temperature=temperature,
        protocol=params.run.protocol,
        folds=params.run.folds,
        repeats=len(chosen.members) // params.run.folds,
        licences=licences(params, paths, chosen.reference, chosen.target),
        checked=min(CHECKED, len(task.examples)),
        difference=difference,
        versions=versions(("keras", "tensorflow", *FORMATS[form].packages)),
    )


def quality_of(members: list[Member], task: Task, params: Params) -> float | None:
    """The metric of the verdict out of fold, as the report has it; None where it is undefined."""
    tested = tested_images(task.examples, len(members) // params.run.folds)
    return quality(tested, aligned(out_of_fold(members), task.examples, tested), params.verdict.metric)
