"""Settings of the pretraining methods, the section `pretraining` of params.yaml."""

from typing import Annotated

from pydantic import Field

from pipeline.config.schema import Count, Momentum, NotNegative, Positive, Section, Share


class PretrainFitting(Section):
    """Settings common to all pretraining methods."""

    learning_rate: Positive
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    warmup: Share
    weight_decay: NotNegative
    batch_norm_momentum: Momentum


class TwoViews(PretrainFitting):
    """Settings of methods that compare two random views of an image: views and projection size."""

    smallest_crop: Annotated[float, Field(gt=0, le=1)]
    brightness: Share
    projection: Count


class SimCLR(TwoViews):
    temperature: Positive


class VICReg(TwoViews):
    invariance: NotNegative
    variance: NotNegative
    covariance: NotNegative
