"""NLEEP: LEEP by clusters of the features, for sources with a head or without.

Li et al., Ranking Neural Checkpoints, CVPR 2021: principal components that hold 80 % of the variance, a Gaussian
mixture of five components a class. The components' covariances are diagonal here: with few images full ones are
singular.
"""

from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from pipeline.forecast.known import Known, Score
from pipeline.forecast.leep import log_expected

VARIANCE_KEPT = 0.8
COMPONENTS_A_CLASS = 5
IMAGES_A_COMPONENT = 5  # at least


def nleep(known: Known) -> Score:
    """LEEP of the mixture's responsibilities."""
    reduced = PCA(VARIANCE_KEPT, svd_solver="full").fit_transform(known.features)
    components = max(1, min(COMPONENTS_A_CLASS * known.classes, len(reduced) // IMAGES_A_COMPONENT))
    mixture = GaussianMixture(
        components,
        covariance_type="diag",
        init_params="k-means++",  # k-means itself sums in an order that its threads leave to chance
        max_iter=200,
        tol=1e-2,
        random_state=known.seed,
    )
    return log_expected(mixture.fit(reduced).predict_proba(reduced), known.classes)
