"""Cells of a table as text, by one rule, whatever the table's format: labels, groups, paths and weights are text."""

import ast
import datetime
import decimal
import math
import re
from typing import Any

import numpy as np
import pyarrow as pa

NUMBERS = re.compile(r"\[[\s\d.,eE+-]*\]")  # as NumPy writes a list of numbers
# what a program or a spreadsheet writes where it has no value; NA, None and null may be names of classes
NOTHING = re.compile(r"<NA>|NaT|#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!)")
# values as Python writes them that are no literals
VALUE = re.compile(
    r"(np|numpy|torch|tf|pd|datetime|collections)\.\w+(\.\w+)*\(.*\)|<\w[\w.]* object at 0x[0-9a-f]+>|"
    r"(array|tensor|set|frozenset|dict|list|tuple|Series|Index|Categorical|Timestamp|Timedelta|Decimal|OrderedDict|"
    r"defaultdict|Counter)\(.*\)",
    re.DOTALL,
)
EXACT = 2**53  # whole numbers below it are exact as floats
RULE = "a cell must be text, a finite number, true or false, or a date; write one value a cell"


def as_text(value: Any) -> str:
    """A cell as text: missing is blank, a whole number has no fraction, True and False are words, dates are ISO 8601.

    It is the text that pandas writes into a CSV, but for whole numbers beside a gap, which pandas reads as floats.

    Raises:
        ValueError: the value is a list, a mapping, bytes, infinite, or anything else that is no single value, also
            where it was written as text; says what it is.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, pa.Scalar):
        raise ValueError(f"a {value.type} out of range")
    if value is None or value != value:  # nan, NaT and a decimal's nan differ from themselves
        return ""
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float | decimal.Decimal):
        return _number(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise ValueError(f"{_article(type(value).__name__)} {_short(value)}")


def _plain(text: str) -> str:
    """The text itself.

    Raises:
        ValueError: it is a list, a mapping, a tuple, a set, bytes or an object, as Python writes them, or what stands
            for no value.
    """
    if NOTHING.fullmatch(text):
        raise ValueError(f"no value ({text})")
    if VALUE.fullmatch(text):
        raise ValueError(f"an object {_short(text)}")
    if text[:1] in ("[", "{", "(", "b", "B") and text[-1:] in ("]", "}", ")", "'", '"'):
        if NUMBERS.fullmatch(text):
            raise ValueError(f"a list {_short(text)}")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return text
        if not isinstance(value, str | int | float | complex):
            raise ValueError(f"{_article(type(value).__name__)} {_short(text)}")
    return text


def _number(value: float | decimal.Decimal) -> str:
    if not math.isfinite(value):
        raise ValueError(f"the number {value}")
    whole = -EXACT < value < EXACT and value == int(value)
    return str(int(value)) if whole else str(value)


def _article(kind: str) -> str:
    return kind if kind == "bytes" else f"a {kind}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
