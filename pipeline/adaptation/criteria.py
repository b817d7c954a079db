"""Criteria of unsupervised model selection: larger is better.

Each rests on an assumption that cannot be checked without labels. Where it fails, the choice is wrong without warning.
Criteria of predictions alone favour methods that optimise them: MCC and pseudo-labels lower the entropy of predictions,
right or wrong, which raises `information`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.adaptation.linear import fit_linear
from pipeline.adaptation.problem import Adapted, Images, Labelled, Source


@dataclass(frozen=True)
class Trial:
    """The input of a criterion: a candidate, the labelled source, and unlabelled images of the target.

    The candidate was adapted to `train` and has not seen `validation`; there are no test images.
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
    """Soft neighbourhood density: the mean entropy of similarities to other images, in nats.

    Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko, Tune it the Right Way, ICCV 2021. It assumes that a good network
    maps the target into dense clusters that are the classes. It is highest where all predictions are equal.

    Args:
        probabilities: (n, k), n at least 2.
    """
    unit = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarity = unit @ unit.T / TEMPERATURE
    np.fill_diagonal(similarity, -np.inf)
    weights = np.exp(similarity - similarity.max(1, keepdims=True))
    return float(entropies(weights / weights.sum(1, keepdims=True)).mean())


def information(probabilities: np.ndarray) -> float:
    """Mutual information of image and class: entropy of the mean prediction minus mean entropy of predictions, in nats.

    Bridle, Heading and MacKay, Unsupervised Classifiers, Mutual Information and 'Phantom Targets', NIPS 1991. It
    assumes classes of about equal size: of two equally confident networks it prefers the more balanced predictions.

    Args:
        probabilities: (n, k).
    """
    return float(entropies(probabilities.mean(0, keepdims=True))[0] - entropies(probabilities).mean())


def entropy(probabilities: np.ndarray) -> float:
    """Minus the mean entropy of predictions, in nats.

    It assumes that confident predictions are right. It is highest where one class is predicted for all images.

    Args:
        probabilities: (n, k).
    """
    return -float(entropies(probabilities).mean())


def of_predictions(judge: Callable[[np.ndarray], float]) -> Criterion:
    """A criterion of the predictions on the validation part alone."""
    return lambda trial: judge(trial.adapted.predict(trial.validation))


def reverse_validation(trial: Trial) -> float:
    """Reverse validation: the accuracy on the source of a linear head trained on the target's pseudo-labels.

    The candidate labels the target's images. A linear head is trained on these pseudo-labels, in the candidate's
    features, and is tested on the source's labelled validation part. Classes are weighted as in the source. Zhong, Fan,
    Yang, Verscheure and Ren, Cross Validation Framework to Choose amongst Models and Datasets for Transfer Learning,
    ECML PKDD 2010; Ganin et al., JMLR 2016, section 5.1.2, who apply the whole method in reverse. It assumes that wrong
    pseudo-labels do not lead back to the source's labels, as they may where classes are exchanged.
    """
    head = reverse_head(trial)
    held_out = trial.source.validation
    predicted = head(trial.adapted.source_features(held_out.features))
    return float(np.average(predicted == held_out.labels, weights=held_out.weights))


def reverse_head(trial: Trial) -> Callable[[np.ndarray], np.ndarray]:
    """A linear head trained on the candidate's pseudo-labels: features (n, e) to class indices (n,)."""
    train, validation = (pseudo_labelled(trial, images) for images in (trial.train, trial.validation))
    classes = np.unique(train.labels)
    if len(classes) == 1:  # logistic regression needs two classes
        return lambda features: np.full(len(features), classes[0])
    judged = np.isin(validation.labels, classes)
    chosen = Labelled(*(array[judged] for array in (validation.features, validation.labels, validation.weights)))
    head = fit_linear(train, chosen if judged.any() else train)
    return lambda features: head.model.classes_[head.predict(features).argmax(1)]


def pseudo_labelled(trial: Trial, images: Images) -> Labelled:
    """Target images with the candidate's pseudo-labels; every class has the total weight that it has in the source."""
    features, own = trial.adapted.features(images), trial.source.train
    labels = trial.adapted.head(features).argmax(1)
    totals = np.bincount(own.labels, own.weights, trial.source.classes)
    weights = (totals / np.maximum(np.bincount(labels, minlength=len(totals)), 1))[labels]
    return Labelled(features, labels, weights / weights.mean())


by_neighbourhood_density = of_predictions(neighbourhood_density)
by_information = of_predictions(information)
by_entropy = of_predictions(entropy)
