"""Arrays are read as numpy reads them, and what is no such file is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from ctpbench.running.archive import read_arrays

ARRAYS = {
    "frames": np.random.default_rng(0).standard_normal((5, 2, 3, 4), dtype=np.float32),
    "brain": np.arange(12).reshape(3, 4) > 5,
    "time": np.arange(7.0),
    "map": np.array(["cbf", "tmax"]),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "nothing": np.zeros((0, 3), np.float32),
    "header": np.array("{}"),
}


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    return tmp_path / "a.npz"


def test_arrays_are_those_that_numpy_wrote(path):
    found = read_arrays(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].flags.aligned) == (array.dtype, True), name
        np.testing.assert_array_equal(found[name], array, strict=True)
    found["frames"][:] = 0  # a copy of one's own


def test_a_file_that_is_cut_short_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 37), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut short|requires a buffer|requires at least"):
            read_arrays(path)


def test_every_byte_of_the_arrays_counts(path):
    whole = bytearray(path.read_bytes())
    at = whole.index(ARRAYS["frames"].tobytes())
    whole[at + 17] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="was altered"):
        read_arrays(path)


def test_what_numpy_may_write_but_the_harness_does_not_is_refused(path, tmp_path):
    np.savez_compressed(path, **ARRAYS)
    with pytest.raises(ValueError, match=r"frames\.npy: is compressed"):
        read_arrays(path)
    np.savez(path, objects=np.array([{}], object))
    with pytest.raises(ValueError, match=r"in place of \|O \(1,\)"):
        read_arrays(path)
    np.savez(path, records=np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
    with pytest.raises(ValueError, match="no plain array"):
        read_arrays(path)


def test_a_shape_larger_than_the_file_takes_no_memory(path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("frames.npy", content.getvalue() + bytes(8))
    with pytest.raises(ValueError, match="holds 8 bytes in place of <f4"):
        read_arrays(path)
