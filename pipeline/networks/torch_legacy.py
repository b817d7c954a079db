"""Read a PyTorch state dict in the legacy `.pth` format, without PyTorch and without running code of the file.

The format is a sequence of pickles (magic number, protocol version, system info, the state dict, the storage keys),
then every storage as an int64 count and its raw elements. A pickle can call anything that it can import; this reader
resolves only the names that a state dict needs.
"""

import collections
import io
import math
import pickle
import struct
from typing import Any, NamedTuple

import numpy as np

from pipeline.store.errors import InputError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]  # in elements


def read_state_dict(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Decode a legacy `.pth` file.

    Args:
        content: all bytes of the file.
        where: the file's name in messages.

    Returns:
        Tensor name -> contiguous array of the tensor's shape and dtype.

    Raises:
        InputError: the file is damaged, in another format, or holds anything but tensors; its code never runs.
    """
    try:
        return _decode(io.BytesIO(content), where)
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises nearly every type
        raise InputError(
            f"{where} is not a readable PyTorch state dict in the legacy .pth format "
            f"({type(error).__name__}: {error}). Reinstall or download the file again."
        ) from error


def _decode(file: io.BytesIO, where: str) -> dict[str, np.ndarray]:
    magic, protocol = (_Unpickler(file, where).load() for _ in range(2))
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise ValueError(f"magic number {magic!r} and protocol {protocol!r}, expected {MAGIC:#x} and {PROTOCOL}")
    if not _Unpickler(file, where).load()["little_endian"]:
        raise ValueError("written on a big-endian machine")
    tensors = _Unpickler(file, where).load()
    if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ValueError("its object is not a dict of tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    elements = {key: _read_storage(file, storages[key]) for key in _Unpickler(file, where).load()}
    return {str(name): _strided(elements[tensor.storage.key], tensor) for name, tensor in tensors.items()}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, where: str):
        super().__init__(file, encoding="utf-8")
        self.where = where

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            raise InputError(
                f"{self.where} was refused: it asks to load {module}.{name}, and a file of weights needs nothing but "
                "tensors. None of its code was run. Do not use this file."
            )
        return allowed

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise ValueError(f"unknown storage {pid!r}")
        return _Storage(str(key), dtype, int(count))


def _rebuild_tensor(storage: _Storage, offset: int, size: tuple, stride: tuple, *_autograd: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    **{("torch", name): np.dtype(dtype) for name, dtype in STORAGE_DTYPES.items()},
}


def _read_storage(file: io.BytesIO, storage: _Storage) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    content = file.read(max(count, 0) * storage.dtype.itemsize)
    if count != storage.elements or len(content) != count * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key} is cut short")
    return np.frombuffer(content, storage.dtype)


def _strided(elements: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """Copy a tensor out of its storage, by its offset and strides (a permuted tensor is not stored contiguously)."""
    if len(tensor.size) != len(tensor.stride) or min((tensor.offset, *tensor.size, *tensor.stride)) < 0:
        raise ValueError(f"impossible tensor {tensor}")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True))
    if math.prod(tensor.size) and last >= len(elements):  # as_strided would read beyond the buffer
        raise ValueError(f"tensor {tensor} reaches beyond its storage")
    strides = tuple(stride * elements.itemsize for stride in tensor.stride)
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.size, strides).copy(order="C")
