"""What the transfers of params.yaml tune, and of which architecture that is."""

from pipeline.config.params import Params


def architecture_of(params: Params, source: str) -> str:
    """The architecture of a source, at the start of its chain."""
    return params.sources[params.chain_of(source)[-1]].architecture


def unfreeze_of(params: Params, transfer: str) -> int | str:
    """How much of its source a transfer tunes."""
    own = params.transfers[transfer].unfreeze
    return params.tune.unfreeze if own is None else own


def tuned_architectures(params: Params) -> set[str]:
    """The architectures of which some transfer tunes a part."""
    transfers = {name: each.source for name, each in params.transfers.items() if unfreeze_of(params, name) != 0}
    return {architecture_of(params, source) for source in transfers.values()}
