"""What chooses among candidates without a label of the target: larger is better.

Each trusts something that labels would have to show; where it does not hold, the choice is wrong without a sign of it.
"""

from collections.abc import Callable

import numpy as np

Criterion = Callable[[np.ndarray], float]
TEMPERATURE = 0.05  # of neighbourhood density, the paper's
TINY = 1e-12


def entropies(probabilities: np.ndarray) -> np.ndarray:
    """The entropy in nats (n,) of each row (n, k)."""
    result: np.ndarray = -(probabilities * np.log(probabilities + TINY)).sum(1)
    return result


def neighbourhood_density(probabilities: np.ndarray) -> float:
    """How many like neighbours an image has: the mean entropy of its soft neighbourhood among the others, in nats.

    Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko, Tune it the Right Way, ICCV 2021. It assumes that a good network
    puts the target into dense clusters that are the classes. It is highest of all where every image gets one answer.

    Args:
        probabilities: (n, k), n at least 2.
    """
    unit = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarity = unit @ unit.T / TEMPERATURE
    np.fill_diagonal(similarity, -np.inf)
    weights = np.exp(similarity - similarity.max(1, keepdims=True))
    return float(entropies(weights / weights.sum(1, keepdims=True)).mean())


def information(probabilities: np.ndarray) -> float:
    """Mutual information of image and class: the entropy of the mean answer less the mean entropy of answers, in nats.

    Bridle, Heading and MacKay, Unsupervised Classifiers, Mutual Information and 'Phantom Targets', NIPS 1991. It
    assumes sure answers and classes of about equal size: of two equally sure networks it takes the more balanced one,
    be the target balanced or not.

    Args:
        probabilities: (n, k).
    """
    return float(entropies(probabilities.mean(0, keepdims=True))[0] - entropies(probabilities).mean())


def entropy(probabilities: np.ndarray) -> float:
    """Minus the mean entropy of the answers, in nats.

    It assumes that sure answers are right, and nothing of the classes' sizes: one answer for all images, given surely,
    is the best that it knows.

    Args:
        probabilities: (n, k).
    """
    return -float(entropies(probabilities).mean())


CRITERIA: dict[str, Criterion] = {
    "neighbourhood_density": neighbourhood_density,
    "information": information,
    "entropy": entropy,
}
