"""The restricted reader, on files written here in the legacy format by hand."""

import collections
import io
import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest

from pipeline.networks.torch_legacy import MAGIC, PROTOCOL, STORAGE_DTYPES, read_state_dict
from pipeline.store.errors import InputError

MACHINE = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Named:
    """Pickles as a bare global `module.name`, whether or not such a module is installed."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Call:
    """Pickles as function(*arguments)."""

    def __init__(self, function: Named, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return _placeholder, (self.function, self.arguments)


def _placeholder(*_):
    raise AssertionError("only a stand-in while pickling")


class Writer(pickle._Pickler):
    """Writes Named and Call objects as PyTorch does, and tuples marked "storage" as persistent ids."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None

    def save_named(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    def save_call(self, value):
        self.save(value.function)
        self.save(value.arguments)
        self.write(pickle.REDUCE)

    dispatch[Named], dispatch[Call] = save_named, save_call


def dumped(value) -> bytes:
    file = io.BytesIO()
    Writer(file, protocol=2).dump(value)
    return file.getvalue()


def tensor(key: str, count: int, offset: int, size, stride, kind: str = "FloatStorage") -> Call:
    storage = ("storage", Named("torch", kind), key, "cpu", count, None)
    hooks = collections.OrderedDict()
    return Call(Named("torch._utils", "_rebuild_tensor_v2"), storage, offset, size, stride, False, hooks)


def legacy(tensors, storages: dict[str, np.ndarray]) -> bytes:
    heads = b"".join(pickle.dumps(part, protocol=2) for part in (MAGIC, PROTOCOL, MACHINE))
    raw = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    return heads + dumped(tensors) + pickle.dumps(list(storages), protocol=2) + raw


def test_a_permuted_and_an_offset_tensor_are_read_right():
    stored = np.arange(24, dtype="<f4")
    wanted = stored.reshape(2, 3, 4).transpose(2, 0, 1)  # shape (4, 2, 3), strides (1, 12, 4)
    tensors = {"permuted": tensor("7", 24, 0, (4, 2, 3), (1, 12, 4)), "late": tensor("7", 24, 20, (2, 2), (2, 1))}
    state = read_state_dict(legacy(tensors, {"7": stored}), "x.pth")
    np.testing.assert_array_equal(state["permuted"], wanted)
    np.testing.assert_array_equal(state["late"], [[20, 21], [22, 23]])
    assert state["permuted"].flags.c_contiguous and state["permuted"].flags.writeable


@pytest.mark.parametrize(("kind", "dtype"), STORAGE_DTYPES.items())
def test_every_storage_kind(kind, dtype):
    stored = np.array([0, 1, 1, 0]).astype(dtype)
    state = read_state_dict(legacy({"t": tensor("0", 4, 0, (4,), (1,), kind)}, {"0": stored}), "x.pth")
    np.testing.assert_array_equal(state["t"], stored)
    assert state["t"].dtype == np.dtype(dtype)


def test_a_scalar_and_an_empty_tensor():
    tensors = {"scalar": tensor("0", 1, 0, (), ()), "empty": tensor("0", 1, 0, (0, 3), (3, 1))}
    state = read_state_dict(legacy(tensors, {"0": np.array([2.5], "<f4")}), "x.pth")
    assert state["scalar"] == 2.5 and state["empty"].shape == (0, 3)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "eval"), ("torch", "load")],
)
def test_a_malicious_pickle_is_refused_and_never_runs(module, name, tmp_path):
    witness = tmp_path / "witness"
    attack = {
        "t": Call(Named(module, name), f"touch {witness}" if name == "system" else f"open({str(witness)!r}, 'w')")
    }
    with pytest.raises(InputError, match=rf"refused: it asks to load \w+\.{name}"):
        read_state_dict(legacy(attack, {}), "x.pth")
    assert not witness.exists()


def test_control_the_attack_works_on_plain_pickle(tmp_path):
    pickle.loads(dumped(Call(Named("os", "mkdir"), str(tmp_path / "witness"))))
    assert (tmp_path / "witness").is_dir()


def test_a_tensor_beyond_its_storage_is_refused():
    for size, stride, offset in [
        ((5,), (1,), 0),
        ((2,), (4,), 0),
        ((4,), (1,), 1),
        ((2,), (-1,), 1),
        ((2, 2), (1,), 0),
    ]:
        content = legacy({"t": tensor("0", 4, offset, size, stride)}, {"0": np.zeros(4, "<f4")})
        with pytest.raises(InputError, match="not a readable PyTorch state dict"):
            read_state_dict(content, "x.pth")


@pytest.mark.parametrize("length", [0, 3, 20, 60, 150, -1])
def test_a_file_cut_short_is_refused(length):
    content = legacy({"t": tensor("0", 4, 0, (4,), (1,))}, {"0": np.zeros(4, "<f4")})
    with pytest.raises(InputError, match="not a readable PyTorch state dict"):
        read_state_dict(content[:length], "x.pth")


@pytest.mark.parametrize("content", [b"PK\x03\x04rest of a zip", pickle.dumps({"a": 1}), legacy([1, 2], {})])
def test_other_files_are_refused(content):
    with pytest.raises(InputError, match="not a readable PyTorch state dict"):
        read_state_dict(content, "x.pth")
