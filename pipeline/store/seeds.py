"""Seeds derived from names: adding a use of randomness changes no other seed."""

import hashlib


def seed_for(base: int, *names: str | int) -> int:
    """Derive a seed in 0..2**31-1 from the run's seed and the names of its use: `seed_for(7, "split", "cells")`."""
    text = "\x1f".join(str(part) for part in (base, *names))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big") % 2**31
