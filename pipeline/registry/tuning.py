"""The fine-tuning methods, `tune.method` and `transfers.NAME.method` in params.yaml."""

from typing import NamedTuple


class TuningEntry(NamedTuple):
    """A fine-tuning method.

    Attributes:
        multipliers: where the function (TuningMethod, depths (n,), epoch, epochs) -> learning-rate multipliers (n,)
            lives.
        anchored: whether weights are drawn to those of the source (by `tune.l2_sp`) in place of weight decay to 0.
    """

    multipliers: str
    anchored: bool = False


TUNING: dict[str, TuningEntry] = {
    "joint": TuningEntry("pipeline.training.tuning:one_rate"),
    "gradual": TuningEntry("pipeline.training.tuning:unfreezing_from_the_top"),
    "layerwise": TuningEntry("pipeline.training.tuning:falling_with_depth"),
    # L2-SP: Li, Grandvalet and Davoine, ICML 2018, equation 3
    "l2_sp": TuningEntry("pipeline.training.tuning:one_rate", anchored=True),
}
