"""Multinomial logistic regression on fixed features, with its L2 penalty chosen on a validation part.

On the target's labels it is a linear probe, the arm `target_supervised`. It is also CORAL's head on recoloured source
features, and the reverse classifier of reverse validation.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from pipeline.adaptation.problem import Labelled, centre_and_spread
from pipeline.store.probabilities import normalised

# Half the L2 penalty on the kernel beside the mean loss, on features of spread 1. For Lite0's 1,280 features 10 is
# best: with 100 and with 1 the validation loss on ELPV is larger in every fold. A ResNet-8's 64 are not sensitive.
PENALTIES = (10.0, 1.0, 0.1)
TOLERANCE, ITERATIONS = 1e-3, 300  # of L-BFGS


@dataclass(frozen=True)
class LinearHead:
    """Features (n, d) to probabilities float64 (n, k)."""

    mean: np.ndarray
    spread: float
    model: LogisticRegression

    def predict(self, features: np.ndarray) -> np.ndarray:
        return normalised(self.model.predict_proba((features - self.mean) / self.spread))


def fit_linear(train: Labelled, validation: Labelled) -> LinearHead:
    """Fit a head for every penalty and keep the one of lowest log loss on the validation part.

    `train` has every class.
    """
    mean, spread = centre_and_spread(train.features)
    scaled = (train.features - mean) / spread
    heads = []
    for penalty in PENALTIES:
        inverse = 1 / (penalty * len(scaled))
        model = LogisticRegression(C=inverse, tol=TOLERANCE, max_iter=ITERATIONS)
        heads.append(LinearHead(mean, spread, model.fit(scaled, train.labels, train.weights)))
    return min(heads, key=lambda head: _loss(head, validation))


def _loss(head: LinearHead, part: Labelled) -> float:
    predicted = head.predict(part.features)
    return float(log_loss(part.labels, predicted, sample_weight=part.weights, labels=head.model.classes_))
