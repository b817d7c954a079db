"""scratch (the baseline): the same network from random weights, on the same folds, with a larger budget of its own."""

from pipeline.frame.io import read_parquet
from pipeline.frame.params import Params
from pipeline.frame.paths import Paths
from pipeline.training.arms import ScratchNetwork
from pipeline.training.folds import class_names, images_of
from pipeline.training.specs import fold_specs
from pipeline.training.train import sweep, train_arm

TRACKS = (
    "run.seed",
    "run.image_size",
    "run.folds",
    "run.augmentation",
    "run.class_weight",
    "run.device",
    "run.precision",
    "baselines.{name}",
    "scratch",
)


def run(params: Params, paths: Paths, name: str) -> str:
    """Read images and folds, write the network trained from scratch a fold and what head writes."""
    baseline = params.baselines[name]
    images = images_of(paths, baseline.target)
    examples = paths.target(baseline.target).examples
    network = ScratchNetwork(
        baseline.architecture,
        params.run.image_size,
        len(class_names(read_parquet(examples))),
        params.scratch.batch_norm_momentum,
        baseline.sha256,
    )
    specs = fold_specs(
        params.run,
        params.scratch,
        arm="scratch",
        examples=examples,
        kind="pixels",
        inputs=images,
        networks=[network] * params.run.folds,
        settings=sweep(params.scratch.learning_rate),
        live=lambda fold: paths.live("scratch", name, fold),
        repeat=baseline.repeat,
    )
    return train_arm(specs, paths.arm("scratch", name))
