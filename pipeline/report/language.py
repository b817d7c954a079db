"""The language of the report. English sentences stand in the code; languages/XX.yaml has those of another language.

A sentence is looked up by its English text, with `{name}` where a value goes.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from pipeline.store.yaml import read_yaml

ENGLISH = "en"
PARTS = ("terms", "sentences", "retold")
FOLDER = Path(__file__).parent / "languages"
_spoken: ContextVar[str] = ContextVar("language of the report", default=ENGLISH)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in this language until the block ends."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> str:
    """The code of the present language."""
    return _spoken.get()


def say(sentence: str, **values: Any) -> str:
    """A sentence in the present language, with its values; in English where it was not translated."""
    table = catalogue(spoken())
    template = table["sentences"].get(sentence) or table["terms"].get(sentence, sentence)
    return template.format(**values) if values else template


def retold(text: str) -> str:
    """A sentence that another stage wrote in English, with its values filled in, in the present language."""
    for pattern, template in _patterns(spoken()):
        if found := pattern.fullmatch(text):
            return template.format(**{name: retold(value) for name, value in found.groupdict().items()})
    return catalogue(spoken())["terms"].get(text, text)


@cache
def catalogue(language: str) -> Mapping[str, Mapping[str, str]]:
    """Part -> English sentence -> the same in a language; none for English. See the head of a language's file."""
    if language == ENGLISH:
        return {part: {} for part in PARTS}
    content = read_yaml(FOLDER / f"{language}.yaml")
    return {part: {entry["en"]: entry[language] for entry in content[part]} for part in PARTS}


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """A pattern that finds the values in each English sentence, and its translation; the most definite first."""
    by_length = sorted(catalogue(language)["retold"].items(), key=lambda pair: -len(pair[0]))
    return [(re.compile(_pattern(english), re.DOTALL), other) for english, other in by_length]


def _pattern(sentence: str) -> str:
    parts, seen = [], set[str]()
    for text, name, _, _ in Formatter().parse(sentence):
        parts.append(re.escape(text))
        if name:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
            seen.add(name)
    return "".join(parts)
