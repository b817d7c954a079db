"""rescale: train from random weights with the per-tensor mean and variance of a source: its scale, not its features."""

from pipeline.arms.baseline import train_baseline
from pipeline.config.params import Params
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images, folds and the source, write a trained network a fold with predictions, history and cost."""
    rescaled = params.rescaled[name]
    baseline, backbone = params.baselines[rescaled.baseline], paths.source(rescaled.source).backbone
    return train_baseline(
        params, paths, baseline, arm="rescaled", kind="rescaled", stage="rescale", name=name, statistics_from=backbone
    )
