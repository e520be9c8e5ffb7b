"""What counts as padding, in every type that readers hold values in."""

import numpy as np
import pytest

from ctpbench_isles.acquired import fill_padding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_padding_and_nan_become_air_and_all_else_stays(dtype):
    values = np.array([[np.nan, -np.inf, -3024, -2000], [-1999.5, -1024, -1000, 3071]], dtype)
    fill_padding(values)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, [[-1000, -1000, -1000, -1000], [-1999.5, -1024, -1000, 3071]])
