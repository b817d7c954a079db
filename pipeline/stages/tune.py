"""tune (steps 4 and 5, unfreeze and train jointly): fine-tune upper layers and the head, from cached activations."""

from pipeline.arms.networks import TunedNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.specs import fold_specs, method_of, unfreeze_of
from pipeline.arms.train import copy_arms, train_arm
from pipeline.config.params import Params
from pipeline.store.files import read_json, read_npy, replacing_folder, write_json
from pipeline.store.outs import TrainedPaths
from pipeline.store.paths import Paths
from pipeline.training.folds import images_of


def run(params: Params, paths: Paths, name: str) -> str:
    """Read activations (or images), backbone and heads, write the head and the tuned network as the transfer's arms."""
    transfer, out = params.transfers[name], paths.trained("transfers", name)
    features, heads = paths.features(name), paths.trained("heads", name)
    if unfreeze_of(params, name) == 0:
        with replacing_folder(out.folder) as folder:
            copy_arms(heads, TrainedPaths(folder))
            write_json(TrainedPaths(folder).facts, read_json(heads.facts))
        return "nothing to unfreeze (unfreeze is 0): the transfer's last arm is head"
    cached = features.cut.exists()
    backbone, cut = paths.source(transfer.source).backbone, read_json(features.cost)["cut"]
    head, images = heads.arm("head"), images_of(paths, transfer.target)
    size = read_npy(images).shape[1]
    specs = fold_specs(
        params.run,
        params.tune,
        arm="tune",
        examples=paths.target(transfer.target).examples,
        kind="activations" if cached else "pixels",
        inputs=features.cut if cached else images,
        networks=[
            TunedNetwork(backbone, head.model(fold), cut, size, params.tune.batch_norm)
            for fold in range(params.run.folds)
        ],
        settings=sweep(params.tune.learning_rate),
        live=lambda fold: paths.live("tune", name, fold),
        method=method_of(params, name),
    )
    facts = transfer.model_dump(include={"setting", "source", "target"})
    return train_arm(specs, "tuned", out, paths.kept("tune", name), facts, earlier=heads)
