"""Parts of error messages."""

import pytest

from pipeline.store.words import listed, nearest, shown


@pytest.mark.parametrize(
    ("word", "hint"),
    [("foldr", "folder"), ("FOLDER", "folder"), ("mobilenetv2", "MobileNetV2"), (" folder ", "folder"), ("x", None)],
)
def test_the_nearest_word_is_found_whatever_its_case(word, hint):
    assert nearest(word, ["folder", "MobileNetV2"]) == (f" (did you mean '{hint}'?)" if hint else "")


def test_a_long_value_is_cut():
    assert shown("a") == "'a'"
    assert shown("a" * 100) == "'" + "a" * 56 + "..."


def test_a_name_in_a_message_stays_on_its_line():
    assert listed(["a\nb", "c"]) == r"a\nb, c"
    assert nearest("ab", ["a\nb"]) == r" (did you mean 'a\nb'?)"
