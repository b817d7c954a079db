"""code: copy the code of the stages that train without its words, for these stages to depend on."""

from pipeline.config.params import Params
from pipeline.store.files import replacing_folder, write_text
from pipeline.store.paths import Paths
from pipeline.store.wordless import copies_of

# parts of the package that a stage which trains imports, as the deps of `code` in dvc.yaml
COPIED = (
    "adaptation",
    "arms",
    "config/params.py",
    "config/schema.py",
    "datasets",
    "forecast",
    "networks",
    "pretraining",
    "registry",
    "stages",
    "store",
    "training",
)


def run(params: Params, paths: Paths, name: str) -> str:
    """Write the copies, each at its place in the package: an edit of words leaves them as they are."""
    copies = copies_of(COPIED)
    with replacing_folder(paths.code) as folder:
        for file, text in copies.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            write_text(folder / file, text)
    return f"{len(copies)} files without comments, docstrings and messages"
