"""scratch (the baseline): train the same network from random weights, on the same folds, with a larger budget."""

from pipeline.arms.baseline import train_baseline
from pipeline.config.params import Params
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images and folds, write a trained network a fold with predictions, history and cost."""
    return train_baseline(
        params, paths, params.baselines[name], arm="scratch", kind="baselines", stage="scratch", name=name
    )
