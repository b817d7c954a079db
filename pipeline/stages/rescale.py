"""rescale: as scratch, from random weights with the statistics of a source's: its scale without its features."""

from pipeline.arms.baseline import train_baseline
from pipeline.config.params import Params
from pipeline.store.files import check_sealed
from pipeline.store.paths import Paths

TRACKS = (
    "run.seed",
    "run.image_size",
    "run.folds",
    "run.augmentation",
    "run.class_weight",
    "run.device",
    "run.precision",
    "rescaled.{name}",
    "baselines.{baseline}",
    "scratch",
)


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images, folds and the source, write the trained network a fold and what head writes."""
    rescaled = params.rescaled[name]
    source = paths.source(rescaled.source)
    check_sealed(source.folder)
    baseline = params.baselines[rescaled.baseline]
    return train_baseline(
        params,
        paths,
        baseline,
        arm="rescaled",
        kind="rescaled",
        stage="rescale",
        name=name,
        statistics_of=source.backbone,
    )
