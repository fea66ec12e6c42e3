"""A file of named arrays that opens at once: memory-mapped, checked, never a pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Arrays", "open_arrays", "save_arrays"]

Arrays = dict[str, np.ndarray[Any, Any]]

_MAGIC = b"DualAlign arrays 1\n"
_ALIGNED = 64
_SUMMED = 64 << 20  # bytes up to which the content is summed at opening; larger files are read as they are needed
_DTYPES = {"<u8", "<u4", "<i8", "<i4", "<f4", "|u1"}


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], about: Mapping[str, Any]) -> None:
    """Write one-dimensional `arrays` and what they are `about`; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table: dict[str, list[Any]] = {}
    at = total = 0
    for name, array in arrays.items():
        table[name] = [array.dtype.str, len(array), at]
        at += -(-array.nbytes // _ALIGNED) * _ALIGNED
        if at <= _SUMMED:
            total = zlib.crc32(array.tobytes(), total)
    head = json.dumps(
        {"about": dict(about), "arrays": table, "size": at, "sum": total if at <= _SUMMED else None}
    ).encode()
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            part.write(_MAGIC + len(head).to_bytes(8, "little") + zlib.crc32(head).to_bytes(4, "little") + head)
            part.write(b"\0" * (-part.tell() % _ALIGNED))
            for array in arrays.values():
                array.tofile(part.file)
                part.write(b"\0" * (-array.nbytes % _ALIGNED))
        except BaseException:
            os.unlink(part.name)  # noqa: PTH108 - the name is a string
            raise
    os.replace(part.name, path)  # noqa: PTH105 - the pathlib form is the same call


def open_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file, mapped into memory, and what they are about.

    ValueError says what is damaged, OSError what cannot be read. The content of files up to 64 MB is checked whole.
    """
    with path.open("rb") as file:
        begin = file.read(len(_MAGIC) + 12)
        length = int.from_bytes(begin[len(_MAGIC) : len(_MAGIC) + 8], "little")
        if not begin.startswith(_MAGIC) or length > 1 << 20:
            raise ValueError(f"{path} is no index of this version; delete it and it is built anew")
        head = file.read(length)
        if zlib.crc32(head) != int.from_bytes(begin[-4:], "little"):
            raise ValueError(f"{path} is damaged at its head; delete it and it is built anew")
        told = json.loads(head)
        base = -(-file.tell() // _ALIGNED) * _ALIGNED
        file.seek(0, os.SEEK_END)
        if file.tell() < base + told["size"]:
            raise ValueError(f"{path} is cut off; delete it and it is built anew")
    mapped = np.memmap(path, np.uint8, mode="r")
    arrays: Arrays = {}
    total = 0
    for name, (dtype, count, at) in told["arrays"].items():
        kind = np.dtype(dtype)
        if dtype not in _DTYPES and not dtype.startswith("|S"):
            raise ValueError(f"{path} holds values of kind {dtype}; delete it and it is built anew")
        part = mapped[base + at : base + at + count * kind.itemsize]
        if told["sum"] is not None:
            total = zlib.crc32(part.data, total)
        arrays[name] = np.asarray(part).view(kind)
    if told["sum"] is not None and total != told["sum"]:
        raise ValueError(f"{path} is damaged; delete it and it is built anew")
    return arrays, told["about"]
