"""tune (steps 4 and 5, unfreeze and train jointly): fine-tune upper layers and the head, from cached activations."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.arms.networks import TunedNetwork
from pipeline.arms.spec import FoldSpec, sweep
from pipeline.arms.specs import fold_specs, method_of, unfreeze_of
from pipeline.arms.train import copy_arms, train_arm
from pipeline.config.params import Params
from pipeline.store.files import read_json, read_npy, replacing_folder, write_json
from pipeline.store.kept import Store
from pipeline.store.outs import TrainedPaths
from pipeline.store.paths import Paths
from pipeline.store.roles import examples_of, fold_count
from pipeline.training.folds import images_of


def tune_specs(
    params: Params, paths: Paths, name: str, *, live: Callable[[int], Path | None] = lambda fold: None
) -> list[FoldSpec]:
    """One spec per fold of a tuned arm; `live` maps a fold to the folder of its live log, by default to none."""
    tune, transfer, features = params.tune, params.transfers[name], paths.features(name)
    head, images = paths.trained("heads", name).arm("head"), images_of(paths, transfer.target)
    backbone, cut = paths.source(transfer.source).backbone, read_json(features.cost)["cut"]
    target = paths.target(transfer.target)
    cached, size = features.cut.exists(), read_npy(images).shape[1]
    return fold_specs(
        params.run,
        tune,
        arm="tune",
        examples=target.examples,
        kind="activations" if cached else "pixels",
        inputs=features.cut if cached else images,
        networks=[
            TunedNetwork(backbone, head.model(fold), cut, size, tune.batch_norm, tune.batch_norm_momentum)
            for fold in range(fold_count(examples_of(target, f"transfers/{name}")))
        ],
        settings=sweep(tune.learning_rate),
        places=features.places if cached else None,
        live=live,
        method=method_of(params, name),
    )


def run(params: Params, paths: Paths, name: str) -> str:
    """Read activations (or images), backbone and heads, write the head and the tuned network as the transfer's arms."""
    out, heads = paths.trained("transfers", name), paths.trained("heads", name)
    if unfreeze_of(params, name) == 0:
        with replacing_folder(out.folder) as folder:
            copy_arms(heads, TrainedPaths(folder))
            write_json(TrainedPaths(folder).facts, read_json(heads.facts))
        return "nothing to unfreeze (unfreeze is 0): the transfer's last arm is head"
    specs = tune_specs(params, paths, name, live=partial(paths.live, "tune", name))
    facts = params.transfers[name].model_dump(include={"setting", "source", "target"})
    return train_arm(specs, "tuned", out, Store(paths.store), f"tune@{name}", facts, earlier=heads)
