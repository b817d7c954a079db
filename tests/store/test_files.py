"""Files: atomic writes, the same bytes for the same content, checksums of folders."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store import files as io
from pipeline.store.errors import InputError

any_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)


class Broken(Exception):
    pass


@any_folder
@given(old=st.binary(), new=st.binary(), cut=st.integers(0, 50))
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, old, new, cut):
    path = tmp_path / "file"
    path.write_bytes(old)
    with pytest.raises(Broken), io.replacing(path) as temporary:
        temporary.write_bytes(new[:cut])
        raise Broken
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    with io.replacing(path) as temporary:
        temporary.write_bytes(new)
        assert path.read_bytes() == old
    assert path.read_bytes() == new


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    with io.replacing_folder(tmp_path / "out") as folder:
        io.write_text(folder / "a.txt", "old")
    with pytest.raises(Broken), io.replacing_folder(tmp_path / "out") as folder:
        io.write_text(folder / "a.txt", "new")
        io.write_text(folder / "b.txt", "new")
        raise Broken
    io.check_sealed(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_new_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    for name in ("old.txt", "new.txt"):
        with io.replacing_folder(tmp_path / "out") as folder:
            io.write_text(folder / "deep" / name, name)
    assert {path.name for path in io.check_sealed(tmp_path / "out").rglob("*.txt")} == {"new.txt"}


@pytest.fixture
def sealed(tmp_path):
    with io.replacing_folder(tmp_path / "out") as folder:
        io.write_text(folder / "a.txt", "content")
        io.write_npy(folder / "deep" / "b.npy", np.arange(5))
    return tmp_path / "out"


@any_folder
@given(data=st.data())
def test_any_flipped_bit_is_found(sealed, data):
    file = data.draw(st.sampled_from([sealed / "a.txt", sealed / "deep" / "b.npy"]))
    content = bytearray(good := file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file.name} is damaged"):
        io.check_sealed(sealed)
    file.write_bytes(good)
    assert io.check_sealed(sealed) == sealed


def test_a_missing_file_is_found(sealed):
    (sealed / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.txt is damaged: sha256 no file"):
        io.check_sealed(sealed)


def test_a_folder_that_was_never_finished_is_refused(tmp_path, sealed):
    (sealed / io.SEAL).unlink()
    for folder in (sealed, tmp_path / "absent"):
        with pytest.raises(InputError, match="absent or was never finished"):
            io.check_sealed(folder)


@pytest.mark.parametrize("seal", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_seal_is_refused(sealed, seal):
    (sealed / io.SEAL).write_bytes(seal)
    with pytest.raises(InputError, match="damaged"):
        io.check_sealed(sealed)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_json_refuses_what_is_no_number(tmp_path, value):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        io.write_json(path, value)
    assert not path.exists()


finite = st.floats(allow_nan=False, allow_infinity=False)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abéü\n", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@any_folder
@given(value=plain_json)
def test_json_is_read_as_it_was_written_and_does_not_depend_on_order(tmp_path, value):
    io.write_json(tmp_path / "a.json", value)
    assert io.read_json(tmp_path / "a.json") == value
    if isinstance(value, dict):
        io.write_json(tmp_path / "b.json", dict(reversed(value.items())))
        assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()
    json.loads((tmp_path / "a.json").read_bytes())


def test_same_content_gives_same_bytes(tmp_path):
    frame = pd.DataFrame({"name": ["a,b", 'c"d', "e\nf"], "value": [1 / 3, 1e-9, None], "count": [1, 2, 3]})
    writers = {"csv": (io.write_csv, frame), "parquet": (io.write_parquet, frame), "npy": (io.write_npy, np.eye(3))}
    for suffix, (write, content) in writers.items():
        files = [tmp_path / f"{copy}.{suffix}" for copy in "ab"]
        for file in files:
            write(file, content.copy())
        assert files[0].read_bytes() == files[1].read_bytes(), suffix
    pd.testing.assert_frame_equal(io.read_parquet(tmp_path / "a.parquet"), frame)


@any_folder
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_csv_keeps_float32_apart(tmp_path, values):
    io.write_csv(tmp_path / "a.csv", pd.DataFrame({"x": np.array(values, "float32")}))
    read = pd.read_csv(tmp_path / "a.csv", float_precision="round_trip")["x"].to_numpy("float32")
    np.testing.assert_array_equal(read, np.array(values, "float32"))


def test_arrays_are_mapped_and_cannot_be_changed(tmp_path):
    io.write_npy(tmp_path / "a.npy", np.arange(3))
    array = io.read_npy(tmp_path / "a.npy")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7


def test_arrays_with_code_in_them_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        io.write_npy(tmp_path / "a.npy", np.array([object()]))
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"Object arrays|Python objects"):
        io.read_npy(tmp_path / "b.npy")


@pytest.mark.parametrize("text", ["=HYPERLINK(1).png", "+1.png", "-rf.png", "@x.png"])
def test_formula_in_a_csv(tmp_path, text):
    io.write_csv(tmp_path / "table.csv", pd.DataFrame({"name": [text, "plain"], "gain": [-0.5, 1.0]}))
    assert (tmp_path / "table.csv").read_text() == f"name,gain\n'{text},-0.5\nplain,1\n"


def test_stumps_of_a_killed_run_are_cleared_away(tmp_path):
    leftover = tmp_path / ".out.abc.tmp"
    leftover.mkdir()
    with io.replacing_folder(tmp_path / "out"):
        assert not leftover.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
