"""Registry of fine-tuning methods, `tune.method` and `transfers.NAME.method` in params.yaml."""

from typing import NamedTuple


class TuningEntry(NamedTuple):
    """A fine-tuning method.

    Attributes:
        multipliers: import path of the function (TuningMethod, depths (n,), epoch, epochs) -> learning-rate
            multipliers (n,).
        anchored: whether weights decay towards those of the source (by `tune.l2_sp`) instead of towards 0.
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
