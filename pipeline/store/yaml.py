"""Reading YAML files, with a message for what is no YAML."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.store.errors import ParamsError


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2 as DVC does (`1e-3` is a number there; a duplicate key is a fault).

    Raises:
        ParamsError: the file is absent, cannot be read, or is no YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(["the file does not exist; run the command in the folder of dvc.yaml"], str(path)) from None
    except OSError as error:  # a folder, or no right to read it
        reason = (error.strerror or type(error).__name__).lower()
        raise ParamsError([f"cannot be read: {reason}; a file that you may read is needed there"], str(path)) from None
    except MarkedYAMLError as error:
        raise ParamsError([_syntax(error)], str(path)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError([" ".join(str(error).split())], str(path)) from None


def _syntax(error: MarkedYAMLError) -> str:
    """What is no YAML, where, and what it usually is."""
    mark = error.problem_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    if isinstance(error, DuplicateKeyError):
        key = error.problem.partition(" with value ")[0]
        return f"{where}{key}; add its entries to the section that is there already"
    return f"{where}{error.problem}; a key takes a colon and a space, what belongs to it stands further to the right"
