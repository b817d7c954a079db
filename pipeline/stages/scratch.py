"""scratch (the baseline): the same network from random weights, on the same folds, with a larger budget of its own."""

from pipeline.arms.baseline import train_baseline
from pipeline.config.params import Params
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images and folds, write the network trained from scratch a fold and what head writes."""
    return train_baseline(
        params, paths, params.baselines[name], arm="scratch", kind="baselines", stage="scratch", name=name
    )
