"""Arrays that are put aside come back as they were, and few of them are in memory."""

import tempfile

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench.scans import spool as module
from ctpbench.scans.spool import Spool


@pytest.mark.parametrize("most", [10, 10**6])
def test_what_was_put_comes_back(monkeypatch, most):
    monkeypatch.setattr(module, "SLAB_BYTES", most)
    arrays = [np.random.default_rng(n).normal(size=(4, 3, n)).astype(np.float32) for n in range(1, 5)]
    spool = Spool()
    places = [spool.put(arrays[0]), spool.put(arrays[1][:, ::2])]  # whatever lies apart in memory, too
    places += [spool.put(array) for array in arrays[2:]]
    np.testing.assert_array_equal(spool.get(places[1]), arrays[1][:, ::2])
    for n in (3, 0, 2):
        np.testing.assert_array_equal(spool.get(places[n]), arrays[n])
    spool.clear()
    np.testing.assert_array_equal(spool.get(spool.put(arrays[2])), arrays[2])


def test_many_arrays_lie_in_a_file(monkeypatch):
    monkeypatch.setattr(module, "SLAB_BYTES", 100)
    spool = Spool()
    spool.put(np.zeros(25, np.float32))
    assert not spool._file._rolled
    spool.put(np.zeros(1, np.float32))
    assert spool._file._rolled


def test_no_room_is_said(monkeypatch):
    monkeypatch.setattr(module, "SLAB_BYTES", 10)
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    with pytest.raises(DataError, match=r"/dev/null: a temporary file cannot be written .*set TMPDIR"):
        Spool().put(np.zeros(100, np.float32))
