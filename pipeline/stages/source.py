"""source: the backbone to transfer from, with a card: architecture, licence, preprocessing, cost."""

from pipeline.config.params import Params
from pipeline.networks.published import load_published
from pipeline.networks.saving import save_model
from pipeline.store.files import replacing_folder, write_json
from pipeline.store.outs import SourcePaths
from pipeline.store.paths import Paths
from pipeline.store.seeds import seed_for


def run(params: Params, paths: Paths, name: str) -> str:
    """Load published weights or draw random ones, write the backbone and its card."""
    source, seed = params.sources[name], seed_for(params.run.seed, "source", name)
    backbone, card = load_published(source.architecture, source.weights, params.run.image_size, source.sha256, seed)
    with replacing_folder(paths.source(name).folder) as folder:
        written = SourcePaths(folder)
        save_model(backbone, written.backbone)
        write_json(written.card, card)
    return f"{card['architecture']} from {card['origin']}, {card['parameters']:,} parameters, {card['licence']}"
