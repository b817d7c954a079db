"""Seeds derived from names: every use has its own, and a new use changes no other."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.seeds import seed_for

names = st.lists(st.text("abc1/-", min_size=1) | st.integers(0, 99), min_size=1, max_size=4)


@given(base=st.integers(0, 2**40), path=names)
def test_a_seed_fits_every_generator_and_repeats(base, path):
    assert 0 <= seed_for(base, *path) < 2**31
    assert seed_for(base, *path) == seed_for(base, *path)


def test_seeds_do_not_depend_on_python_or_platform():
    assert seed_for(7, "split", "cells") == 678_162_416  # sha256 of "7\x1fsplit\x1fcells"


@given(base=st.integers(0, 99), path=names)
def test_base_and_each_name_count(base, path):
    seeds = {
        seed_for(base, *path),
        seed_for(base + 1, *path),
        seed_for(base, *path, "more"),
        seed_for(base, "x", *path),
    }
    assert len(seeds) == 4


def test_names_are_not_glued_together():
    assert seed_for(7, "ab", "c") != seed_for(7, "a", "bc")
