"""Numpy's ``.npz``, read without the detours of `numpy.load`, on which a short piece of work spends most of its time.

Of what such a file may be, this is what `numpy.savez` writes: a zip file whose members lie one after the other as they
are, each an array in numpy's format. See PKWARE's APPNOTE.TXT, 4.3 and 4.5.3, and NEP 1.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ctpbench.arrays import Array

_MEMBER = struct.Struct("<4s2xHH4xLLLHH")  # signature, flags, method, checksum, two sizes, lengths of name and extra
_EXTRA = struct.Struct("<HHQQ")  # tag and length, and the sizes where they do not fit into 32 bits
_SIGNATURE, _ZIP64, _ELSEWHERE = b"PK\x03\x04", 1, 0xFFFFFFFF
_SIZES_FOLLOW = 0b1000
_END = struct.Struct("<4s6xH10x")  # signature, count of members
_ARRAY = struct.Struct("<6sBBH")  # magic, version, length of the header
_HEADER = re.compile(r"\{'descr': '([^']+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n")
_HEAD = 4096
"""Bytes that hold all that comes before an array's values."""


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a file, by name.

    Raises
    ------
    OSError
        Where it cannot be read.
    ValueError
        Where it is no such file, or was cut short or altered.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        found = dict(_members(file, size))
        if _END.unpack(os.pread(file, _END.size, max(size - _END.size, 0))) != (b"PK\x05\x06", len(found)):
            raise ValueError("is no zip file, or was cut short")
        return found
    except (struct.error, UnicodeDecodeError, TypeError) as error:
        raise ValueError(str(error)) from None
    finally:
        os.close(file)


def _members(file: int, size: int) -> Iterator[tuple[str, Array]]:
    """Yield the arrays from the first on; what follows the last lists them once more."""
    at = 0
    while (head := os.pread(file, _HEAD, at)).startswith(_SIGNATURE):
        _, flags, method, checksum, _, length, name_length, extra_length = _MEMBER.unpack_from(head)
        start = _MEMBER.size + name_length
        name = head[_MEMBER.size : start].decode()
        if length == _ELSEWHERE:
            tag, _, length, _ = _EXTRA.unpack_from(head, start)
            if tag != _ZIP64:
                raise ValueError(f"{name}: of unknown size")
        start += extra_length
        if method or flags & _SIZES_FOLLOW or at + start + length > size:
            raise ValueError(f"{name}: is compressed, or cut short")
        yield name.removesuffix(".npy"), _array(file, at + start, head[start:], length, checksum)
        at += start + length


def _array(file: int, at: int, head: bytes, length: int, checksum: int) -> Array:
    magic, version, _, header_length = _ARRAY.unpack_from(head)
    start = _ARRAY.size + header_length
    found = _HEADER.fullmatch(head[_ARRAY.size : start].decode("latin1"))
    if magic != b"\x93NUMPY" or version != 1 or found is None:
        raise ValueError("holds what is no plain array")
    dtype = np.dtype(found[1])
    shape = tuple(int(count) for count in found[3].split(",") if count.strip())
    count = math.prod(shape)
    if dtype.hasobject or start + dtype.itemsize * count != length:
        raise ValueError(f"holds {length - start} bytes in place of {found[1]} {shape}")
    values = np.empty(count, dtype)
    rest = content = values.view(np.uint8).data
    while rest:
        if not (read := os.preadv(file, [rest], at + start + len(content) - len(rest))):
            raise ValueError("is cut short")
        rest = rest[read:]
    if zlib.crc32(content, zlib.crc32(head[:start])) != checksum:
        raise ValueError("was altered")
    return values.reshape(shape, order="F" if found[2] == "True" else "C")
