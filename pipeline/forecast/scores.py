"""The table of transferability scores: a new one is a file with its function, and a line here."""

from collections.abc import Callable

from pipeline.forecast.gbc import gbc
from pipeline.forecast.h_score import h_score
from pipeline.forecast.leep import leep
from pipeline.forecast.logme import logme
from pipeline.forecast.neighbours import nearest_neighbours
from pipeline.forecast.nleep import nleep
from pipeline.forecast.score_inputs import Score, ScoreInputs

# name -> function that prepares a score for any permutation of the labels; None: not defined for this source
SCORES: dict[str, Callable[[ScoreInputs], Score | None]] = {
    "logme": logme,
    "h_score": h_score,
    "leep": leep,
    "nleep": nleep,
    "knn": nearest_neighbours,
    "gbc": gbc,
}
