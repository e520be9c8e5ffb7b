"""Vectors do what numpy does with as many numbers."""

import numba
import numpy as np
import pytest

from ctpbench_filters._vector import LANES, add_product, add_square, aligned, load, store, zeros


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(3, 2 * LANES + 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("add", "expected"), [(add_square, lambda a, b: (a - b) ** 2), (add_product, lambda a, b: a * b)]
)
def test_sums_of_a_loop(rows, add, expected):
    @numba.njit
    def summed(a, b, out):
        total = zeros()
        for start in (0, 3, LANES + 1):
            total = add(total, load(a, start), load(b, start + 2))
        store(out, 1, total)

    out = np.full(LANES + 2, 7, np.float32)
    summed(rows[0], rows[1], out)
    parts = [expected(rows[0, i : i + LANES], rows[1, i + 2 : i + 2 + LANES]) for i in (0, 3, LANES + 1)]
    np.testing.assert_allclose(out[1:-1], np.sum(parts, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(out[[0, -1]], 7)


@pytest.mark.parametrize("size", [1, 48, 1000])
def test_room_begins_where_a_vector_does(size):
    room = aligned(size)
    assert room.shape == (size,)
    assert room.dtype == np.float32
    assert room.ctypes.data % (4 * LANES) == 0
