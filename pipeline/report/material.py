"""What the sections of a report are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.config.params import Params
from pipeline.results.run import Run

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Material:
    """All results of a run and, for the sections that show more than metrics.json has, the rest.

    Attributes:
        params: None where only metrics.json is read. cost: the content of cost.json. forecasts: question -> the content
            of forecast.json. plots: question -> plot -> rows. contact_sheets: question -> WebP.
        datasets: name -> its card, and counts of images. cards: source -> its card.
    """

    run: Run
    params: Params | None = None
    cost: Mapping[str, Json] = field(default_factory=dict)
    forecasts: Mapping[str, Json] = field(default_factory=dict)
    plots: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)
    contact_sheets: Mapping[str, bytes] = field(default_factory=dict)
    datasets: Mapping[str, Json] = field(default_factory=dict)
    cards: Mapping[str, Json] = field(default_factory=dict)
