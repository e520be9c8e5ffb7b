"""An AIF in a file: what is read, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench.scans.curves import read_curve

TIMES_S = 100 + 2.0 * np.arange(6)  # the scan's own clock; a file's times are from the first frame on


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
@pytest.mark.parametrize("titles", ["", "time_s{}hu\n", "\ufefft{}HU above baseline\n"])
def test_a_curve_is_read_and_brought_to_the_scans_times(tmp_path, separator, titles):
    rows = "\n\n".join(f"{time_s}{separator}{10 * time_s}" for time_s in (0, 1, 5, 9, 10.5))
    path = tmp_path / "aif.csv"
    path.write_text(titles.format(separator) + rows + "\n", encoding="utf-8")
    curve = read_curve(path, TIMES_S)
    assert curve.dtype == np.float32
    np.testing.assert_allclose(curve, 20 * np.arange(6))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0,1\n2,x\n", r":2: got '2,x'; allowed: two columns, time_s and HU above baseline"),
        ("0,1,5\n", r":1: got '0,1,5'; allowed: two columns"),
        ("t,h\nu,v\n", r":2: got 'u,v'; allowed"),
        ("0,1\n2,nan\n", r":2: got '2,nan'; allowed: finite numbers"),
        ("", r": got 0 samples; allowed: 4 or more"),
        ("0,1\n4,2\n3,2\n10,1\n", r": got 3 s after 4 s; allowed: times that increase"),
        ("0,1\n2,5\n4,2\n7,1\n", r": got 0 to 7 s; allowed: all of the scan, 0 to 10 s"),
        ("3,1\n4,5\n5,2\n12,1\n", r": got 3 to 12 s; allowed: all of the scan"),
        ("0,0\n4,-2\n5,0\n10,0\n", r": got no value above 0; allowed: HU above baseline"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, told):
    path = tmp_path / "aif.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"aif\.csv" + told) as caught:
        read_curve(path, TIMES_S)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "aif.csv"
    with pytest.raises(DataError, match=r"aif\.csv: cannot be read as text"):
        read_curve(path, TIMES_S)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"aif\.csv: cannot be read as text"):
        read_curve(path, TIMES_S)
