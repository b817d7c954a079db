"""Rank sources for a target: choose the device, then import Keras."""

from typing import TYPE_CHECKING

from pipeline.config.params import Params
from pipeline.networks.device import use_device
from pipeline.store.paths import Paths

if TYPE_CHECKING:
    from pipeline.shortlist.ranking import Shortlist


def shortlist(params: Params, paths: Paths, target: str, workers: int) -> "Shortlist":
    """See ranking.py."""
    use_device(params.run.device, trains=False)  # before Keras is imported
    from pipeline.shortlist import ranking

    return ranking.shortlist(params, paths, target, workers)
