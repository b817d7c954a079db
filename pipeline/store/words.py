"""Parts of error messages: the received value, and the closest allowed one."""

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 60  # characters of a value in a message
MOST = 12  # names in a list in a message


def visible(text: str, keep: str = "") -> str:
    r"""Write characters that cannot be seen, or would break a line, as Python does: \n, \x0c, \u2028."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode("ascii") for c in text)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The hint ` (did you mean 'x'?)` for the closest allowed word, ignoring case; or nothing."""
    words = {name.strip().casefold(): name for name in allowed}
    near = difflib.get_close_matches(word.strip().casefold(), list(words), n=1)
    return f" (did you mean '{visible(words[near[0]])}'?)" if near else ""


def shown(value: Any) -> str:
    """`repr` of a received value, truncated to LONGEST characters."""
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def listed(names: Iterable[Any], most: int = MOST) -> str:
    """Names in a row; of a long row the first, and how many more there are."""
    words = [visible(str(name)) for name in names]
    return ", ".join(words) if len(words) <= most else f"{', '.join(words[:most])} and {len(words) - most} more"
