"""source: the backbone to transfer from, with a card: architecture, licence, preprocessing, cost."""

import keras

from pipeline.config.params import Params
from pipeline.networks.freezing import cut_layer
from pipeline.networks.published import load_published
from pipeline.networks.saving import save_model
from pipeline.store.errors import InputError
from pipeline.store.files import replacing_folder, write_json
from pipeline.store.outs import SourcePaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for


def check_cuts(params: Params, name: str, backbone: keras.Model) -> None:
    """Check that the network can be cut where every transfer from it, also after pretraining, begins to unfreeze.

    Raises:
        InputError: with the transfers for which it cannot.
    """
    faults = []
    for transfer, entry in params.transfers.items():
        if params.chain_of(entry.source)[-1] != name:
            continue
        key = "tune.unfreeze" if entry.unfreeze is None else f"transfers.{transfer}.unfreeze"
        try:
            cut_layer(backbone, params.tune.unfreeze if entry.unfreeze is None else entry.unfreeze)
        except InputError as error:
            faults.append(f"{key} (transfer '{transfer}'): {error}")
    if faults:
        raise InputError("\n".join(faults))


def run(params: Params, paths: Paths, name: str) -> str:
    """Load published weights or draw random ones, check the cuts of its transfers, write backbone and card."""
    source, seed = params.sources[name], seed_for(params.run.seed, "source", name)
    backbone, card = load_published(
        source.architecture, source.weights, params.run.image_size, source.sha256, seed, source.path
    )
    check_cuts(params, name, backbone)
    with replacing_folder(paths.source(name).folder) as folder:
        written = SourcePaths(folder)
        save_model(backbone, written.backbone)
        write_json(written.card, card)
    return f"{card['architecture']} from {card['origin']}, {card['parameters']:,} parameters, {card['licence']}"
