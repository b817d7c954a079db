"""Holm's adjustment against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict.holm import holm


@given(st.lists(st.none() | st.floats(0, 1), max_size=6))
def test_holm_equals_the_definition(values):
    p_values = {f"transfer {i}": p for i, p in enumerate(values)}
    adjusted = holm(p_values)
    assert list(adjusted) == list(p_values)
    known = [p for p in p_values.values() if p is not None]
    for name, p in p_values.items():
        if p is None:
            assert adjusted[name] is None
        else:
            steps = [min(1, (len(known) - sum(o < q for o in known)) * q) for q in known if q <= p]
            assert adjusted[name] == pytest.approx(max(steps))
