"""What chooses among candidates without a label of the target: larger is better.

Each trusts something that labels would have to show; where it does not hold, the choice is wrong without a sign of it.
Those that look at the answers alone also ask for what some methods make larger by design: MCC and pseudo-labels lower
the entropy of the answers, right or wrong, and `information` then takes their word for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Adapted, Images, Labelled, Source


@dataclass(frozen=True)
class Trial:
    """What a criterion may look at: a candidate, the source with its labels, and unlabelled images of the target.

    `train` is what the candidate was adapted to, `validation` it has not seen; no test image is here.
    """

    source: Source
    adapted: Adapted
    train: Images
    validation: Images


Criterion = Callable[[Trial], float]
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


def of_answers(judge: Callable[[np.ndarray], float]) -> Criterion:
    """A criterion that looks at the answers on the validation part alone."""
    return lambda trial: judge(trial.adapted.predict(trial.validation))


def reverse_validation(trial: Trial) -> float:
    """How much of the source's labels comes back: the accuracy, on its held-out part, of a head learnt from the target.

    The candidate labels the target's images; a linear head learns these labels, in the candidate's own features, and is
    asked of the source's validation part, whose labels are known. Classes weigh as in the source. Zhong, Fan, Yang,
    Verscheure and Ren, Cross Validation Framework to Choose amongst Models and Datasets for Transfer Learning, ECML
    PKDD 2010; Ganin et al., JMLR 2016, section 5.1.2, who let the whole method learn backwards. It assumes that wrong
    labels of the target do not lead back to right ones of the source, as they may where classes are exchanged.
    """
    head = reverse_head(trial)
    held_out = trial.source.validation
    answers = head(trial.adapted.source_features(held_out.features))
    return float(np.average(answers == held_out.labels, weights=held_out.weights))


def reverse_head(trial: Trial) -> Callable[[np.ndarray], np.ndarray]:
    """A head that learnt the candidate's answers on the target: features (n, e) to class indices (n,)."""
    train, validation = (answered(trial, images) for images in (trial.train, trial.validation))
    known = np.unique(train.labels)
    if len(known) == 1:  # nothing to learn
        return lambda features: np.full(len(features), known[0])
    judged = np.isin(validation.labels, known)
    chosen = Labelled(*(array[judged] for array in (validation.features, validation.labels, validation.weights)))
    head = fit_linear(train, chosen if judged.any() else train)
    return lambda features: head.model.classes_[head.predict(features).argmax(1)]


def answered(trial: Trial, images: Images) -> Labelled:
    """Images of the target as the candidate labels them, every class in all as heavy as in the source."""
    features, own = trial.adapted.features(images), trial.source.train
    labels = trial.adapted.head(features).argmax(1)
    heavy = np.bincount(own.labels, own.weights, trial.source.classes)
    weights = (heavy / np.maximum(np.bincount(labels, minlength=len(heavy)), 1))[labels]
    return Labelled(features, labels, weights / weights.mean())


by_neighbourhood_density = of_answers(neighbourhood_density)
by_information = of_answers(information)
by_entropy = of_answers(entropy)
