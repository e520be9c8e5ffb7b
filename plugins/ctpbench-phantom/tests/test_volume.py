import numpy as np
import pytest

from ctpbench import DataError, check_observation
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.dataset import Phantom
from ctpbench_phantom.series import Head, simulate
from ctpbench_phantom.volume import brain_slices, read_volume_slice

SIZE, DT_S, FRAMES, LOWEST = 64, 1.5, 26, 20
SCAN = {
    "anatomy": "file", "pixel_mm": 3.2, "views": 64, "detectors": 64, "frame_interval_s": DT_S,
    "train_slices": 2, "validation_slices": 1, "test_slices": 1, "gap_slices": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def source():
    times_s = np.arange(FRAMES) * DT_S
    return simulate(Head(SIZE, 3.2, 0, "plateau", False), 2.0, times_s, phantom_aif(grid(times_s[-1])))


@pytest.fixture
def folder(tmp_path, source):
    """Volumes as the original's own software writes them: six slices of a head, 0 where nothing is stored."""
    tissue = np.nan_to_num(source.maps[0]) > 0

    def write(name, image):
        volume = np.zeros((SIZE, SIZE, SIZE), "<f4")
        volume[LOWEST : LOWEST + 6] = image.T  # the first axis is the fastest
        volume.tofile(tmp_path / name)

    stored = np.where(source.series > -500, source.series, 0)
    write("baseline", stored[0])
    for name, values in zip(("cbf", "cbv", "mtt"), source.maps, strict=False):
        write(name, np.where(tissue, values, 0))
    for k, frame in enumerate(stored):
        write(str(k + 1), frame)
    return tmp_path


def test_a_slice_comes_back_as_it_was(folder, source):
    assert brain_slices(folder) == range(LOWEST, LOWEST + 6)
    found = read_volume_slice(folder, LOWEST, DT_S)
    inside = source.series[0] > -500
    np.testing.assert_allclose(found.series[:, inside], source.series[:, inside], atol=1e-3)
    assert (found.series[:, 0, 0] == -1000).all()
    tissue = np.nan_to_num(source.maps[0]) > 0
    np.testing.assert_allclose(found.maps[:4, tissue], source.maps[:4, tissue], rtol=1e-6)
    assert np.isnan(found.maps[:, ~tissue]).all()
    np.testing.assert_allclose(found.aif, source.aif)


def test_volumes_run_through_the_same_scanner_in_splits_with_gaps(folder):
    phantom = Phantom(**SCAN, file=folder)
    assert [list(phantom.cases(split)) for split in ("test", "validation", "train")] == [
        ["slice-020"], ["slice-022"], ["slice-024", "slice-025"],
    ]  # fmt: skip
    case = phantom.load("slice-020", 1e6)
    check_observation(case.observation)
    assert np.nanmax(case.truth.maps.sel(map="cbf")) > 20
    assert phantom.fingerprint() == Phantom(**SCAN, file=folder).fingerprint()


def test_too_many_slices_are_refused(folder):
    with pytest.raises(DataError, match=r"6 slices hold brain, 15 are asked for; lower train_slices"):
        Phantom(**{**SCAN, "train_slices": 11}, file=folder).cases("test")


def test_head_fields_that_the_files_decide_are_refused(folder):
    with pytest.raises(ValueError, match="decides residue itself"):
        Phantom(**SCAN, file=folder, residue="gamma")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "7").unlink(), r"got 25 frames; allowed: files 1, 2, 3"),
        (lambda f: (f / "cbv").unlink(), r"cbv: cannot be read"),
        (lambda f: (f / "mtt").write_bytes(b"12345"), r"mtt: got 5 bytes; allowed: n x n x n"),
        (lambda f: np.full(SIZE**3, np.nan, "<f4").tofile(f / "3"), r"3: slice 20: got NaN"),
        (lambda f: np.zeros(SIZE**3, "<f4").tofile(f / "cbf"), r"cbf: no slice holds brain"),
    ],
)
def test_a_faulty_file_is_named(folder, spoil, message):
    phantom = Phantom(**SCAN, file=folder)
    spoil(folder)
    with pytest.raises(DataError, match=message):
        [phantom.load(case, None) for case in phantom.cases("test")]
