"""`python -m pipeline check`: whatever stages and DVC would complain about and can be known before a run, all at once.

It reads params.yaml, dvc.yaml and the lists of the raw data (tables and names of files), and opens no image.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import ValidationError

from pipeline.commands.doctor import MERGE, dvc_lock
from pipeline.config.loading import check_params
from pipeline.config.lookup import entries_of
from pipeline.config.names import as_text
from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Section
from pipeline.datasets.learnable import held_out
from pipeline.datasets.readers.files import stops_dvc
from pipeline.datasets.readers.read import read_raw
from pipeline.registry.architectures import is_file
from pipeline.runner.cluster import cluster_faults
from pipeline.runner.declaration import all_cells, read_stages
from pipeline.stages.ingest import sample
from pipeline.stages.split import split
from pipeline.store.errors import InputError, ParamsError
from pipeline.store.files import sha256_file
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for
from pipeline.store.words import listed, nearest, shown
from pipeline.store.yaml import read_yaml

MANY = 60  # images of a class that suffice at any setting
TRIED = 3000  # images with which a division is tried; of more, MANY of every class
Model = TypeVar("Model", bound=Section)


def check(paths: Paths) -> None:
    """Check the environment, params.yaml, the raw data that it names, and what DVC makes of dvc.yaml.

    Raises:
        InputError: with all faults.
    """
    raw, params, faults = read_yaml(paths.params), None, environment_faults()
    try:
        params = check_params(raw, str(paths.params))
    except ParamsError as error:
        faults += error.faults
    texts = as_text(raw)[0]
    lists, unreadable = listings(texts, paths.root)
    faults += unreadable + weight_file_faults(texts, paths.root)
    if params is not None:
        faults += selection_faults(params, lists) + dvc_faults(params, paths)
        faults += cluster_faults(params.run.cluster, paths.root)
    if faults:
        raise ParamsError(faults, str(paths.params))


def environment_faults() -> list[str]:
    """Whether `python`, by which DVC runs every stage, is this Python."""
    python = shutil.which("python")
    asked = [str(python), "-c", "import sys; print(sys.prefix)"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() if python else "missing"
    if found == sys.prefix:
        return []
    return [
        f"environment: DVC runs stages by `python`, which is {found or python} here and not {sys.prefix}; activate the "
        f"environment (`. {Path(sys.prefix) / 'bin' / 'activate'}`), or use `make`"
    ]


def listings(raw: dict[str, Any], root: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The labels of every dataset's images, by dataset, as far as they can be read, and the faults of the others.

    A table has the label columns and `group`. Datasets whose entries are wrong are left out: that is told elsewhere.
    """
    lists, faults = {}, []
    seed = raw.get("run", {}).get("seed", 0) if isinstance(raw.get("run"), dict) else 0
    for name, entry in entries_of(raw, "datasets"):
        dataset = _valid(Dataset, entry)
        if dataset is None:
            continue
        if fault := stops_dvc(root / dataset.raw):
            faults.append(f"datasets.{name}.raw: '{dataset.raw}' {fault}")
            continue
        try:
            images = read_raw(dataset, root).images
        except InputError as error:
            faults += [f"datasets.{name}: {fault}" for fault in getattr(error, "faults", [str(error)])]
            continue
        images = sample(images, dataset.limit, seed_for(seed, "limit", name))
        lists[name] = pd.DataFrame([{**image.labels, "group": image.group} for image in images])
    return lists, faults


def weight_file_faults(raw: dict[str, Any], root: Path) -> list[str]:
    """`.keras` files and files of weights that are missing, or not those that params pin."""
    faults = []
    for section in ("sources", "baselines"):
        for name, entry in entries_of(raw, section):
            architecture, pinned = entry.get("architecture"), entry.get("sha256")
            own = isinstance(architecture, str) and is_file(architecture)
            key, file = ("architecture", architecture) if own else ("path", entry.get("path"))
            if not isinstance(file, str):
                continue
            if not (root / file).is_file():
                faults.append(
                    f"{section}.{name}.{key}: '{file}' does not exist. Put the file there, or correct the path"
                )
            elif isinstance(pinned, str) and (found := sha256_file(root / file)) != pinned:
                faults.append(f"{section}.{name}.sha256: {pinned} is not that of '{file}', which has {found}")
    return faults


def selection_faults(params: Params, lists: dict[str, pd.DataFrame]) -> list[str]:
    """Targets and sources that select no images, or too few of a class whatever groups and near-duplicates are."""
    faults = []
    for section in ("targets", "pretrained"):
        for name, entry in getattr(params, section).items():
            table = lists.get(entry.dataset)
            if table is None:
                continue
            chosen = table
            for column, value in entry.where.items():
                known = sorted(chosen[column].unique())
                if value not in known:
                    hint = f"{nearest(value, known)}; there are {shown(', '.join(known))}"
                    faults.append(f"{section}.{name}.where.{column}: no image has {shown(value)}{hint}")
                chosen = chosen[chosen[column] == value]
            if len(chosen) and entry.label is not None:
                found = _too_few(params, section, name, chosen[[entry.label, "group"]])
                limit = params.datasets[entry.dataset].limit
                cut = (
                    f" `datasets.{entry.dataset}.limit` leaves {limit:,} images: raise it."
                    if limit == len(table)
                    else ""
                )
                faults += [fault + cut for fault in found]
    return faults


def _too_few(params: Params, section: str, name: str, chosen: pd.DataFrame) -> list[str]:
    """The refusal that `split` or `leakage` will make, if the images of a class are too few in any groups."""
    entry, run, label = getattr(params, section)[name], params.run, chosen.columns[0]
    if chosen[label].nunique() > 1 and chosen[label].value_counts().min() >= MANY:
        return []
    if len(chosen) > TRIED:
        chosen = chosen.groupby(label, sort=False).head(MANY)
    alone = _manifest(chosen[label], pd.Series(range(len(chosen))))
    if section == "pretrained":
        seed = seed_for(run.seed, "pretrain", name)
        labels, unit = (alone[column].to_numpy(object) for column in ("label", "unit"))
        text = _refusal(lambda: held_out(labels, unit, run.validation_fraction, seed))
        return [f"{section}.{name}: {text}"] if text else []
    target = entry.model_copy(update={"where": {}, "pool": None, "weight": None, "label": "label"})
    once = params.model_copy(update={"questions": {}})  # one repeat
    text = _refusal(lambda: split(alone, target, once, name))
    if text and entry.pool is None:  # groups of a pool are not known yet
        grouped = _manifest(chosen[label], chosen["group"])
        text = _refusal(lambda: split(grouped, target, once, name)) or text
    return [f"{section}.{name}: {text}"] if text else []


def _manifest(labels: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """A manifest with these labels and groups, and no near-duplicates."""
    row = range(len(labels))
    columns = {"row": row, "image_id": row, "phash": "", "pool": "", "cluster": row, "label": labels.to_numpy()}
    return pd.DataFrame(columns).assign(unit=groups.astype(str).to_numpy())


def _refusal(attempt: Callable[[], object]) -> str:
    """The message of the InputError that an attempt raises, or ""."""
    try:
        attempt()
    except InputError as error:
        return str(error)
    return ""


def dvc_faults(params: Params, paths: Paths) -> list[str]:
    """What DVC finds wrong with dvc.yaml and these params, and stages that it does not make.

    With a dvc.lock that `kill -9` has cut DVC reads neither; a run heals it before it asks DVC the same.
    """
    if damage := next(dvc_lock(paths), ""):
        return [damage] if MERGE in damage else []
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        cells = all_cells(read_stages(paths.dvc_yaml), params)
        expected = {f"{cell.stage}@{cell.name}" if cell.name else cell.stage for cell in cells}
        index = Repo(str(paths.root), uninitialized=not (paths.root / ".dvc").is_dir()).index
        index.check_graph()
    except SCMError as error:
        return [
            f"environment: {error}, as after a download without Git; run `git init` there, or do without it by "
            "`dvc config --local core.no_scm true`"
        ]
    except (DvcException, InputError) as error:
        return [f"dvc.yaml: {error}"]
    made = {stage.name for stage in index.stages if stage.path_in_repo == str(paths.dvc_yaml.name)}
    missing = sorted(expected - made)
    return [f"dvc.yaml: DVC makes no stage {listed(missing)}; correct its `foreach`"] if missing else []


def _valid(model: type[Model], entry: dict[str, Any]) -> Model | None:
    try:
        return model.model_validate_json(json.dumps(entry))
    except ValidationError:
        return None
