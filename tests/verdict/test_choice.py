"""The choice among arms: best on validation in every fold, the later of equals, and no look at a test image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict.choice import Candidate, choose


def candidate(value, qualities):
    """A candidate whose probabilities tell it apart, with its balanced accuracy on the validation part of each fold."""
    folds = [{"fold": fold, "validation": {"balanced_accuracy": quality}} for fold, quality in enumerate(qualities)]
    return Candidate(np.full((6, 2), value), folds)


FOLD = np.array([0, 0, 1, 1, 2, 2])


def test_each_fold_takes_the_candidate_that_is_best_on_its_validation_part():
    candidates = {"head": candidate(0.1, [0.9, 0.5, 0.6]), "tuned": candidate(0.2, [0.8, 0.7, 0.6])}
    chosen, counts = choose(candidates, FOLD)
    assert chosen[:, 0].tolist() == [0.1, 0.1, 0.2, 0.2, 0.2, 0.2]  # of equals the later
    assert counts == {"head": 1, "tuned": 2}


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4))
def test_it_is_the_first_of_a_sorted_list(qualities):
    candidates = {str(at): candidate(float(at), each) for at, each in enumerate(qualities)}
    chosen, counts = choose(candidates, FOLD)
    for fold in range(3):
        best = sorted(range(len(qualities)), key=lambda at: (qualities[at][fold], at))[-1]
        assert (chosen[fold == FOLD] == best).all()
    assert sum(counts.values()) == 3 and list(counts) == list(candidates)


def test_a_candidate_needs_every_fold():
    with pytest.raises(ValueError, match="not enough values"):
        choose({"head": candidate(0.1, [0.9, 0.5])}, FOLD)
