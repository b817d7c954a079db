"""Read YAML files, with an actionable message where the syntax is wrong."""

import copy
import functools
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.store.errors import ParamsError


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2 as DVC does: `1e-3` is a number, a duplicate key is an error.

    Raises:
        ParamsError: the file does not exist, cannot be read, or is not YAML.
    """
    try:
        return copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParamsError([f"the file does not exist; run the command in {_project()}"], str(path)) from None
    except OSError as error:  # a folder, or no permission
        reason = (error.strerror or type(error).__name__).lower()
        raise ParamsError([f"cannot be read: {reason}; it must be a file that you may read"], str(path)) from None
    except MarkedYAMLError as error:
        raise ParamsError([_syntax(error)], str(path)) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError([" ".join(str(error).split())], str(path)) from None
    except (ValueError, KeyError, RecursionError, OverflowError, TypeError) as error:  # of a date such as 2024-13-45
        raise ParamsError([f"a value cannot be read: {error}; put text in quotes"], str(path)) from None


@functools.lru_cache(4)  # every cell reads params.yaml and dvc.yaml, which the process that it is forked from has read
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _project() -> str:
    """Where commands are run: the next folder above this one with a dvc.yaml, if there is one."""
    above = next((folder for folder in Path.cwd().parents if (folder / "dvc.yaml").is_file()), None)
    return f"the folder of dvc.yaml: `cd {above}`" if above else "the folder of dvc.yaml"


def _syntax(error: MarkedYAMLError) -> str:
    """Where the syntax error is, what it is, and its usual cause."""
    mark = error.problem_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    if isinstance(error, DuplicateKeyError):
        key = error.problem.partition(" with value ")[0]
        return f"{where}{key}; add its entries to the existing section"
    return f"{where}{error.problem}; write a colon and a space after a key, and indent what belongs to it"
