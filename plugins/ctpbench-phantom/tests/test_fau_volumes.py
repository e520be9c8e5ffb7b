import os

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_phantom.fau_volumes import brain_slices, read_volume_slice, volume_files

from .slice_files import COUNT, LOWEST, write_volumes

DT_S = 1.5


@pytest.fixture
def folder(tmp_path, source):
    return write_volumes(tmp_path, source)


def test_a_slice_comes_back_as_it_was(folder, source):
    found = read_volume_slice(folder, LOWEST, DT_S)
    inside = source.series[0] > -500
    np.testing.assert_allclose(found.series[:, inside], source.series[:, inside], atol=1e-3)
    assert (found.series[:, 0, 0] == -1000).all()
    tissue = np.nan_to_num(source.maps[0]) > 0
    np.testing.assert_allclose(found.maps[:4, tissue], source.maps[:4, tissue], rtol=1e-6)
    assert (found.maps[4, tissue] == 0).all()
    assert np.isnan(found.maps[:, ~tissue]).all()
    np.testing.assert_array_equal(found.times_s, source.times_s)
    np.testing.assert_allclose(found.aif, source.aif)
    assert (found.vof, found.labels, found.brain) == (None, None, None)


def test_slices_of_brain_are_found_and_looked_for_again_in_a_changed_file(folder):
    assert brain_slices(folder) == range(LOWEST, LOWEST + COUNT)
    flow = np.fromfile(folder / "cbf", "<f4").reshape(64, 64, 64)
    flow[LOWEST] = 0
    flow[LOWEST + 1].flat[:100] = 1
    flow[LOWEST + COUNT].flat[:100] = 1  # 2.4% of its pixels: the top of the head
    flow.tofile(folder / "cbf")
    os.utime(folder / "cbf", ns=(0, 0))  # a clock may be too coarse to tell
    assert brain_slices(folder) == range(LOWEST + 1, LOWEST + COUNT)


def test_files_are_in_the_order_of_the_frames(folder):
    names = [path.name for path in volume_files(folder)]
    assert names == ["baseline", "cbf", "cbv", "mtt", *(str(k) for k in range(1, 27))]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none: cannot be read \(No such file or directory\)"):
        volume_files(tmp_path / "none")
    with pytest.raises(DataError, match=r"none/cbf: cannot be read \(No such file or directory\)"):
        brain_slices(tmp_path / "none")


def test_too_few_frames_are_refused(tmp_path):
    for name in ("1", "2"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"got 2 frames; allowed: files 1, 2, 3, \.\.\. without a gap, at least 3"):
        volume_files(tmp_path)
