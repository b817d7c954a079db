"""The table of scores: a new one is a file with its function, and a line here."""

from collections.abc import Callable

from pipeline.forecast.gbc import gbc
from pipeline.forecast.h_score import h_score
from pipeline.forecast.known import Known, Score
from pipeline.forecast.leep import leep
from pipeline.forecast.logme import logme
from pipeline.forecast.neighbours import nearest_neighbours
from pipeline.forecast.nleep import nleep

# name -> what makes, once for all permutations of the labels, a score of labels; None: not of this source
SCORES: dict[str, Callable[[Known], Score | None]] = {
    "logme": logme,
    "h_score": h_score,
    "leep": leep,
    "nleep": nleep,
    "knn": nearest_neighbours,
    "gbc": gbc,
}
