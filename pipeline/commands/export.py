"""`python -m pipeline export`: the networks that a verdict recommends as one file, which needs no code of ours."""

import sys
from pathlib import Path

from pipeline.config.loading import load_params
from pipeline.export.formats import FORMATS, check_usable
from pipeline.export.make import CARD, CLASSES, make
from pipeline.prediction.recommended import recommended
from pipeline.runner.system_faults import system_faults
from pipeline.store.errors import InputError
from pipeline.store.files import SEAL
from pipeline.store.paths import Paths

FOLDER = "exports"


def export(
    asked: str, form: str, refit: bool, out: Path | None = None, resize: bool = False, root: Path = Path()
) -> None:
    """Write an arm's networks as one, with its model card, into a folder that is written whole or not at all.

    Args:
        asked: a question, a transfer, or an arm as section/NAME. form: a key of FORMATS. refit: one network, trained on
            all images of the target, in the place of the mean of all. out: by default exports/<asked>/<form>. resize:
            whether the file takes images of any size.

    Raises:
        InputError: an unknown name, a run that is not finished, missing packages, a folder of the user's in the way, or
            a file that answers otherwise than Keras.
    """
    paths = Paths(root)
    folder = out or root / FOLDER / asked / form
    check_usable(form, resize)
    check_folder(folder)
    params = load_params(paths.params)
    chosen = recommended(params, paths, asked)
    _say(chosen.reason, *chosen.cautions)
    with system_faults(paths.root, f"`run.image_size` (now {params.run.image_size})"):
        told = make(params, paths, chosen, asked, form, refit, resize, folder)
    _say(f"{told} -> {folder / FORMATS[form].file}")


def check_folder(folder: Path) -> None:
    """Check that nothing is lost when a folder is replaced.

    Raises:
        InputError: it is a file, or has content that is no earlier export.
    """
    ours = {SEAL, CARD, CLASSES, *(each.file for each in FORMATS.values())}
    if folder.exists() and (not folder.is_dir() or any(path.name not in ours for path in folder.iterdir())):
        raise InputError(f"{folder} is no earlier export, and would be replaced. Name a new folder by --out.")


def _say(*lines: str) -> None:
    for line in lines:
        print(f"export: {line}", file=sys.stderr, flush=True)
