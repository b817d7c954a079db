"""The settings of the ways of pretraining: what each may have under `pretraining` in params.yaml."""

from typing import Annotated

from pydantic import Field

from pipeline.config.schema import Count, Momentum, NotNegative, Positive, Section, Share


class PretrainFitting(Section):
    """What all ways of pretraining have in common."""

    learning_rate: Positive
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    warmup: Share
    weight_decay: NotNegative
    batch_norm_momentum: Momentum


class TwoViews(PretrainFitting):
    """Learning from two random views of an image: how they are drawn, and the size of the projection."""

    smallest_crop: Annotated[float, Field(gt=0, le=1)]
    brightness: Share
    projection: Count


class SimCLR(TwoViews):
    temperature: Positive


class VICReg(TwoViews):
    invariance: NotNegative
    variance: NotNegative
    covariance: NotNegative
