"""Words of error messages: a received value, and the allowed one that was probably meant."""

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 60  # characters of a value in a message


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The hint ` (did you mean 'x'?)` at the allowed word that resembles `word`, whatever its case; or nothing."""
    words = {name.strip().casefold(): name for name in allowed}
    near = difflib.get_close_matches(word.strip().casefold(), list(words), n=1)
    return f" (did you mean '{words[near[0]]}'?)" if near else ""


def shown(value: Any) -> str:
    """A received value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
