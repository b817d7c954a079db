"""What of the code counts, in keys of the store and for DVC: all that computes, and no words."""

import ast
import os

import pytest

from pipeline.store import wordless as module
from pipeline.store.wordless import copied, edited_since, wordless

CODE = '''"""What it does."""
import math

class Plan:
    """A plan."""

def half(value, least=0.0):
    """Half of it."""
    if value < least:
        raise ValueError(f"{value} is below {least}.") from None
    assert value, "nothing"
    print(f"{value} is fine", label="half of it")
    found = [f"row {value:>{least}}"]
    return {"a_name": math.sqrt(value) / 2, f"{value:.3f}_{least}": 1}  # of the root


NOTE = "goes into the output"
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
        ('f"{value} is fine"', '"all of it is fine"'),
        ('"half of it"', 'f"{least} or a half"'),
        ('f"row {value:>{least}}"', '"in a row"'),
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
        ('"a_name"', '"another"'),
        ("_{least}", "-{least}"),
        (":.3f", ":.4f"),
        ("goes into the output", "stands in the output"),
        ("raise ValueError", "raise TypeError"),
        ("assert value", "assert not value"),
        ("import math", "import cmath as math"),
        ("    return", "    value += 1\n    return"),
    ],
)
def test_all_that_computes_counts(old, new):
    assert old in CODE
    assert wordless(CODE.replace(old, new)) != wordless(CODE)


@pytest.mark.parametrize("folder", ["networks", "training", "store", "arms", "pretraining"])
def test_what_is_left_of_functions_has_no_message(folder):
    for file in sorted((module.PACKAGE / folder).rglob("*.py")):
        left = ast.parse(wordless(file.read_text(encoding="utf-8")))
        functions = [node for node in ast.walk(left) if isinstance(node, ast.FunctionDef)]
        texts = [
            node.value
            for function in functions
            for part in function.body
            for node in ast.walk(part)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in texts if module.PROSE.search(text)], file


def test_formatted_text_counts_as_its_parts():
    """Versions of Python write f-strings with different quotes."""
    kept = wordless("""def say(x): return f"{x['key']!r:>{5}}-"\n""")
    assert "f'" not in kept and 'f"' not in kept and "x['key']" in kept and "114" in kept and "'-'" in kept


# ---- copies ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one file, and its copy: both as (file, copy, root of copies)."""
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "pipeline")
    file, copy = tmp_path / "pipeline" / "part" / "half.py", tmp_path / "code" / "part" / "half.py"
    for path in (file, copy):
        path.parent.mkdir(parents=True)
    file.write_text(CODE)
    copy.write_text(copied(file))
    return file, copy, tmp_path / "code"


def test_an_edit_after_the_copy_is_found_and_one_of_words_is_none(package):
    file, copy, root = package
    assert edited_since(root / "part", root) is None
    later = copy.stat().st_mtime + 5
    for edited, found in (("# of the root", None), ("/ 2", "pipeline/part/half.py")):
        file.write_text(CODE.replace(edited, edited + "0"))
        os.utime(file, (later, later))
        assert edited_since(root / "part", root) == edited_since(copy, root) == found
    file.unlink()
    assert edited_since(copy, root) == "pipeline/part/half.py"


def test_copies_that_are_absent_are_no_edit(package):
    _, _, root = package
    assert edited_since(root / "other", root) is None


def test_a_file_that_is_older_than_its_copy_is_not_read(package):
    """Every cell asks, and most of the time nothing was edited."""
    file, copy, root = package
    file.write_text("no Python (")
    os.utime(file, (1, 1))
    assert edited_since(copy, root) is None
