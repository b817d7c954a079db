"""Which images of a dataset a target, or a source, is made of."""

from collections.abc import Mapping

import pandas as pd

from pipeline.store.errors import InputError


def select(manifest: pd.DataFrame, where: Mapping[str, str], pool: str | None, what: str) -> pd.DataFrame:
    """Keep the rows with all of these labels that lie in this pool (None: in any).

    Args:
        manifest: from ingest. what: who asks, for the message.

    Raises:
        InputError: nothing is left.
    """
    kept = (manifest[list(where)] == pd.Series(where, dtype=object)).all(axis=1)
    if pool is not None:
        kept &= manifest["pool"] == pool
    if not kept.any():
        asked = {**where, **({"pool": pool} if pool is not None else {})}
        raise InputError(f"No image of the dataset has {asked}, as {what} asks. Change its `where` or `pool`.")
    return manifest[kept].reset_index(drop=True)
