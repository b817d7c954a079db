"""rescale: as scratch, from random weights with the statistics of a source's: its scale without its features."""

from pipeline.arms.baseline import train_baseline
from pipeline.config.params import Params
from pipeline.store.paths import Paths


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images, folds and the source, write the trained network a fold and what head writes."""
    rescaled = params.rescaled[name]
    source = paths.source(rescaled.source)
    baseline = params.baselines[rescaled.baseline]
    return train_baseline(
        params,
        paths,
        baseline,
        arm="rescaled",
        kind="rescaled",
        stage="rescale",
        name=name,
        statistics_from=source.backbone,
    )
