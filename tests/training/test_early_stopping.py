"""Early stopping on sequences of validation losses, without a network."""

import pytest

from pipeline.training.early_stopping import EarlyStopping, stopped_improving


def stopped(losses, **settings):
    """Feed losses until the fit ends; the rule and how many epochs it saw."""
    rule = EarlyStopping(**{"epochs": 9, "patience": 2, "keep": "best"} | settings)
    for loss in losses:
        rule.update(loss)
        if rule.ended:
            break
    return rule


def test_it_ends_after_patience_epochs_without_a_lower_loss():
    rule = stopped([9.0, 3.0, 2.0, 2.0, 2.5, 1.0])
    assert rule.ended and (len(rule.losses) - 1, rule.kept_epoch) == (4, 2)


def test_it_ends_after_all_epochs():
    rule = stopped([9.0, 3.0, 2.0, 1.0], epochs=3)
    assert rule.ended and rule.kept_epoch == 3


def test_the_untrained_network_is_never_chosen_over_a_trained_one():
    assert stopped([0.1, 3.0, 4.0, 5.0]).kept_epoch == 1


def test_the_last_epoch_is_kept_where_that_is_asked_for():
    assert stopped([9.0, 3.0, 4.0, 5.0], keep="last").kept_epoch == 3


def test_update_says_which_weights_to_keep():
    rule = EarlyStopping(epochs=9, patience=3, keep="best")
    assert [rule.update(loss) for loss in (9.0, 3.0, 4.0, 2.0)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([1.0, 0.5, 0.6, 0.7], 2, True),  # the last two epochs brought nothing
        ([1.0, 0.5, 0.6, 0.7], 3, False),  # three epochs have no quarters
        ([1.0, 0.9, 0.8, 0.70, 0.68], 9, False),  # still 3 % better at its end
        ([1.0, 0.9, 0.8, 0.70, 0.694], 9, True),  # 0.9 %
        ([9.0, 8.0, 7.0, 6.0, 5.0, 1.0, 3.0, 0.995, 4.0], 9, True),  # the best of a quarter counts, not its last
        ([9.0, 8.0, 7.0, 6.0, 5.0, 1.0, 3.0, 0.98, 4.0], 9, False),
        ([9.0, 8.0, 1.0, 6.0, 5.0, 4.0, 4.0, 3.0, 3.0], 9, True),  # better than lately, but not than ever
        ([0.1, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 3.0, 3.0], 9, False),  # the untrained network sets no mark
        ([0.1, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 3.0, 3.0], 8, False),  # nor where patience is as long as the budget
    ],
)
def test_a_fit_that_ran_to_its_end_is_judged_by_its_last_quarter(losses, patience, expected):
    assert stopped_improving(losses, patience) is expected
