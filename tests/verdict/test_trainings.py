"""What is counted over trainings."""

from pipeline.verdict.trainings import probability_of_improvement


def test_probability_of_improvement_counts_ties_half():
    assert probability_of_improvement([0.1, 0.0, -0.1, 0.2]) == 0.625
    assert probability_of_improvement([0.1, None]) == 1.0
    assert probability_of_improvement([None]) is None
