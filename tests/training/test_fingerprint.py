"""What of the code is in the keys of the store: all that computes, and no words."""

import ast

import pytest

from pipeline.training.fingerprint import PACKAGE, wordless

CODE = '''"""What it does."""
import math

class Plan:
    """A plan."""

def half(value, least=0.0):
    """Half of it."""
    if value < least:
        raise ValueError(f"{value} is below {least}.") from None
    assert value, "nothing"
    return {"a name": math.sqrt(value) / 2}  # of the root
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # of the root", "  # another comment"),
        ("What it does.", "What it is for."),
        ('    """Half of it."""\n', ""),
        ('    """A plan."""', "    pass"),
        ('f"{value} is below {least}."', '"Give more: " + str(least)'),
        (" from None", " from KeyError()"),
        (', "nothing"', ""),
        ("least=0.0", "least = 0.0"),
    ],
)
def test_words_do_not_count(old, new):
    assert old in CODE
    assert wordless(CODE.replace(old, new)) == wordless(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/ 2", "/ 3"),
        ("least=0.0", "least=0.5"),
        ("value < least", "value <= least"),
        ('"a name"', '"another"'),
        ("raise ValueError", "raise TypeError"),
        ("assert value", "assert not value"),
        ("import math", "import cmath as math"),
        ("    return", "    value += 1\n    return"),
    ],
)
def test_all_that_computes_counts(old, new):
    assert old in CODE
    assert wordless(CODE.replace(old, new)) != wordless(CODE)


def test_what_is_left_of_the_package_has_no_message():
    """By the messages that are plain text."""
    for file in sorted((PACKAGE / "networks").glob("*.py")):
        source = file.read_text(encoding="utf-8")
        raised = [node.exc for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)]
        calls = [exc for exc in raised if isinstance(exc, ast.Call)]
        texts = [arg.value for call in calls for arg in call.args if isinstance(arg, ast.Constant)]
        assert not [text for text in texts if repr(text) in wordless(source)], file
