"""NLEEP: LEEP on clusters of the features, for sources with or without a head.

Li et al., Ranking Neural Checkpoints, CVPR 2021: principal components that hold 80 % of the variance, a Gaussian
mixture of five components a class. The components' covariances are diagonal here: with few images full ones are
singular.
"""

from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from pipeline.forecast.leep import log_expected
from pipeline.forecast.score_inputs import Score, ScoreInputs

VARIANCE_KEPT = 0.8
COMPONENTS_A_CLASS = 5
IMAGES_A_COMPONENT = 5  # minimum


def nleep(inputs: ScoreInputs) -> Score:
    """LEEP of the mixture's responsibilities."""
    reduced = PCA(VARIANCE_KEPT, svd_solver="full").fit_transform(inputs.features)
    components = max(1, min(COMPONENTS_A_CLASS * inputs.classes, len(reduced) // IMAGES_A_COMPONENT))
    mixture = GaussianMixture(
        components,
        covariance_type="diag",
        init_params="k-means++",  # k-means itself sums in an order that depends on threads
        max_iter=200,
        tol=1e-2,
        random_state=inputs.seed,
    )
    return log_expected(mixture.fit(reduced).predict_proba(reduced), inputs.classes)
