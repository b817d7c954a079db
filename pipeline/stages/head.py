"""head (steps 1 and 3, add and train the end): a linear probe on the cached features of the frozen backbone."""

from pipeline.arms.networks import HeadNetwork
from pipeline.arms.spec import sweep
from pipeline.arms.specs import fold_specs
from pipeline.arms.train import train_arm
from pipeline.config.params import Params
from pipeline.store.files import read_json, read_npy
from pipeline.store.kept import Store
from pipeline.store.paths import Paths
from pipeline.store.roles import examples_of, fold_count, repeat_count
from pipeline.training.folds import class_names


def run(params: Params, paths: Paths, name: str) -> str:
    """Read features and folds, write a head a fold with its predictions, history and cost.

    The cost of every fold has the sha256 of the forecast that was made before the head was trained.
    """
    target = paths.target(params.transfers[name].target)
    features, forecast = paths.features(name), paths.forecast(name)
    table = examples_of(target, f"transfers/{name}")
    network = HeadNetwork(read_npy(features.pooled).shape[1], len(class_names(table)))
    specs = fold_specs(
        params.run,
        params.head,
        arm="head",
        examples=target.examples,
        kind="features",
        inputs=features.pooled,
        networks=[network] * fold_count(table),
        settings=sweep(params.head.learning_rate, params.head.l2),
        live=lambda fold: paths.live("head", name, fold),
        forecast=forecast.forecast,
    )
    facts = params.transfers[name].model_dump(include={"setting", "source", "target"})
    out, store = paths.trained("heads", name), Store(paths.store)
    extracted = read_json(features.cost)["gflops"] * repeat_count(table)  # each repeat is priced as if run alone
    return train_arm(specs, "head", out, store, f"head@{name}", facts, before_gflops=extracted)
