"""Select the images of a dataset that a target or a source uses."""

from collections.abc import Mapping

import pandas as pd

from pipeline.store.errors import InputError


def select(manifest: pd.DataFrame, where: Mapping[str, str], pool: str | None, what: str) -> pd.DataFrame:
    """Keep the rows with all of these labels in this pool (None: in any pool).

    Args:
        manifest: from ingest.
        what: name of the target or source, for the message.

    Raises:
        InputError: no row is left.
    """
    kept = (manifest[list(where)] == pd.Series(where, dtype=object)).all(axis=1)
    if pool is not None:
        kept &= manifest["pool"] == pool
    if not kept.any():
        asked = {**where, **({"pool": pool} if pool is not None else {})}
        raise InputError(f"No image of the dataset has {asked}, as {what} asks. Change its `where` or `pool`.")
    return manifest[kept].reset_index(drop=True)
