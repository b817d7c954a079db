"""models/dvc.yaml: every transfer as an artifact, for DVC's model registry.

DVC's `artifacts` knows no `foreach`, and dvc.yaml names no entry of params.yaml: so they have a file of their own,
which `python -m pipeline repro` keeps in step. No stage depends on it.
"""

import io

from ruamel.yaml import YAML

from pipeline.config.params import Params
from pipeline.store.files import write_text
from pipeline.store.paths import Paths

FILE = "models/dvc.yaml"
HEADER = "# Models for `gto register` and `dvc artifacts get`. `python -m pipeline repro` writes this file.\n"


def artifacts(params: Params) -> str:
    """The text of the file: paths are relative to it."""
    found = {
        name: {
            "path": f"transfers/{name}",
            "type": "model",
            "desc": f"'{each.source}' fine-tuned on '{each.target}', a network a fold; its verdict: reports/report.md",
            "labels": [each.setting, each.source, each.target],
        }
        for name, each in params.transfers.items()
    }
    yaml, buffer = YAML(), io.StringIO()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"artifacts": found}, buffer)
    return HEADER + buffer.getvalue()


def keep_in_step(params: Params, paths: Paths) -> None:
    """Rewrite the file where it is another; who has deleted it is left in peace."""
    file, text = paths.root / FILE, artifacts(params)
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        write_text(file, text)
        print(f"{file}: written anew for the transfers of params.yaml", flush=True)
