"""Messages to the user: nothing in them can move a cursor, and they cross processes whole."""

import pickle

import pytest

from pipeline.store.errors import InputError, InputFaults, ParamsError


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("two\nlines", "two\nlines"),
        ("class '\x0c'", r"class '\x0c'"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\u2028b", r"a\u2028b"),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_what_cannot_be_seen_is_escaped(message, wanted):
    assert str(InputError(message)) == wanted


@pytest.mark.parametrize(
    "error", [InputError("a"), InputFaults(["a"]), InputFaults(["a", "b"]), ParamsError(["a"], "p")]
)
def test_an_error_crosses_processes_whole(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert getattr(again, "faults", None) == getattr(error, "faults", None)
