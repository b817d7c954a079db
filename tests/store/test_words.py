"""Parts of error messages."""

import pytest

from pipeline.store.words import nearest, shown


@pytest.mark.parametrize(
    ("word", "hint"),
    [("foldr", "folder"), ("FOLDER", "folder"), ("mobilenetv2", "MobileNetV2"), (" folder ", "folder"), ("x", None)],
)
def test_the_nearest_word_is_found_whatever_its_case(word, hint):
    assert nearest(word, ["folder", "MobileNetV2"]) == (f" (did you mean '{hint}'?)" if hint else "")


def test_a_long_value_is_cut():
    assert shown("a") == "'a'"
    assert shown("a" * 100) == "'" + "a" * 56 + "..."
