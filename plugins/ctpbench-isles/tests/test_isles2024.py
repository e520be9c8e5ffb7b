"""The folders of ISLES 2024, in both spellings, with the lesion on other voxels."""

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_isles.isles2024 import Isles2024
from ctpbench_isles.masks import resampled_mask

from .conftest import head_series
from .nifti_files import affine_of, grid_of, write_mask, write_scan

CT_CODES = ("R", "P", "S")  # of the non-contrast CT, unlike the scan's
SPELLINGS = {
    "sub-stroke0001": ("rawdata", "ses-01", "ses-02"),
    "sub-strokecase0007": ("raw_data", "ses-0001", "ses-0002"),
}


def fine(mask):
    """Return a mask on voxels half as large, three times as thin: of the same place, (z, y, x)."""
    return mask.repeat(2, axis=1).repeat(2, axis=2)


@pytest.fixture(scope="module")
def root(head, tmp_path_factory):
    root = tmp_path_factory.mktemp("ISLES24")
    for subject, (raw, first, second) in SPELLINGS.items():
        units = {"interval": 1500.0, "units": "sec"} if subject == "sub-stroke0001" else {"interval": 2.0}
        scan = f"{subject}/{first}/{subject}_{first}_ctp.nii.gz"
        write_scan(root / raw / scan, head.frames, head.spacing_mm, codes=("L", "A", "S"), **units)
        registered = f"{subject}/{first}/{subject}_{first}_space-ncct_ctp.nii.gz"
        write_scan(root / "derivatives" / registered, head.frames[:, :1], head.spacing_mm)
        maps = root / f"derivatives/{subject}/{first}/perfusion-maps/{subject}_{first}_space-ncct_tmax.nii.gz"
        write_mask(maps, head.brain, head.spacing_mm)
        z, y, x = head.spacing_mm
        # The centres of the finer voxels lie a quarter of a pixel before and after those of the scan's.
        lesion = root / f"derivatives/{subject}/{second}/{subject}_{second}_space-ncct_lesion-msk.nii.gz"
        write_mask(lesion, fine(head.core), (z, y / 2, x / 2), CT_CODES)
    stray = root / "derivatives/sub-stroke0001/ses-02/sub-stroke0001_ses-02_lesion-msk.nii"
    write_mask(stray, head.brain, head.spacing_mm)
    return root


def test_the_scans_as_acquired_are_found_in_both_spellings(root):
    dataset = Isles2024(root=root, test_share=1, validation_share=0)
    assert dataset.cases("test") == ["sub-stroke0001", "sub-strokecase0007"]


def test_other_spellings_links_and_depths_are_found(head, tmp_path):
    deep = tmp_path / "data" / "ISLES24" / "Raw_Data"
    write_scan(deep / "sub_stroke0001/ses_01/sub_stroke0001_ses_01_CTP.NII", head.frames, head.spacing_mm)
    store = tmp_path / "store" / "sub-stroke0002" / "ses-01"
    write_scan(store / "sub-stroke0002_ses-01_ctp.nii.gz", head.frames, head.spacing_mm)
    (deep / "sub-stroke0002").symlink_to(store.parent, target_is_directory=True)
    (deep / "sub-stroke0003").mkdir()
    dataset = Isles2024(root=tmp_path / "data", test_share=1, validation_share=0)
    assert dataset.cases("test") == ["sub-stroke0001", "sub-stroke0002", "sub-stroke0003"]
    for case in ("sub-stroke0001", "sub-stroke0002"):
        assert np.array_equal(dataset.load(case, None).observation.frames.values, head.frames)
    with pytest.raises(DataError, match=r"sub-stroke0003: got no \*ctp\.nii; allowed: one a session"):
        dataset.load("sub-stroke0003", None)


def test_times_in_ms_are_recognised(root, head):
    for case, dt_s in (("sub-stroke0001", 1.5), ("sub-strokecase0007", 2.0)):
        observation = Isles2024(root=root).load(case, None).observation
        assert observation.dt_s == pytest.approx(dt_s)
        assert np.array_equal(observation.frames.values, head.frames)


def test_the_lesion_is_brought_to_the_scans_voxels(root, head):
    case = Isles2024(root=root).load("sub-stroke0001", None)
    got = case.truth.rois.sel(roi="core").values
    assert got.shape == head.core.shape
    overlap = 2 * (got & head.core).sum() / (got.sum() + head.core.sum())
    assert overlap > 0.9  # half a fine pixel of shift


@pytest.mark.parametrize("codes", [("L", "P", "S"), ("R", "A", "S"), ("A", "I", "R"), ("S", "L", "P")], ids="".join)
def test_a_mask_is_resampled_between_any_orientations(tmp_path, codes):
    mask = np.random.default_rng(0).random((4, 12, 10)) > 0.5
    spacing_mm = (5.0, 0.5, 0.75)
    path = write_mask(tmp_path / "mask.nii", mask, spacing_mm, ("R", "P", "S"))
    assert np.array_equal(resampled_mask(path, grid_of(codes, mask.shape, spacing_mm)), mask)


def test_a_resampled_mask_lies_where_the_millimetres_say(tmp_path):
    """By hand: each of the scan's voxels takes the mask's voxel whose centre is nearest to its own; outside, none."""
    mask = np.random.default_rng(1).random((3, 9, 8)) > 0.5
    path = write_mask(tmp_path / "mask.nii", mask, (3.1, 1.3, 1.7), ("R", "A", "I"))
    grid = grid_of(("L", "P", "S"), (5, 11, 12), (2.0, 1.1, 0.9))
    got = resampled_mask(path, grid)
    canonical = affine_of(("L", "P", "S"), mask.shape, (3.1, 1.3, 1.7))  # voxels (x, y, z)
    to_mask = np.linalg.inv(canonical) @ grid.affine
    for z, y, x in np.ndindex(got.shape):
        i, j, k = np.rint((to_mask @ [x, y, z, 1])[:3]).astype(int)
        inside = 0 <= i < 8 and 0 <= j < 9 and 0 <= k < 3
        assert got[z, y, x] == (inside and mask[k, j, i]), (z, y, x)
    assert got.any()
    assert not got[-1].any()  # above the mask


def test_sessions_of_one_patient_are_cases_of_one_split(head, tmp_path):
    for subject in ("sub-stroke0001", "sub-stroke0002", "sub-stroke0003"):
        for session in ("ses-01", "ses-02"):
            path = tmp_path / f"rawdata/{subject}/{session}/{subject}_{session}_ctp.nii.gz"
            write_scan(path, head.frames[:, :, ::8, ::8], head.spacing_mm)
    dataset = Isles2024(root=tmp_path)
    for split in ("train", "validation", "test"):
        cases = dataset.cases(split)
        assert len({case.split("_")[0] for case in cases}) == 1
        assert [case.split("_")[1] for case in cases] == ["ses-01", "ses-02"]


def test_two_scans_of_one_session_are_named(head, tmp_path):
    for run in (1, 2):
        path = tmp_path / f"rawdata/sub-stroke0001/ses-01/sub-stroke0001_ses-01_run-{run}_ctp.nii.gz"
        write_scan(path, head.frames[:, :, ::8, ::8], head.spacing_mm)
    with pytest.raises(DataError, match=r"run-2_ctp.nii.gz: got a second scan of sub-stroke0001_ses-01; allowed: one"):
        Isles2024(root=tmp_path).cases("train")


def test_only_registered_scans_serve_where_there_are_no_others(tmp_path):
    small = head_series(rows=24, columns=24)
    path = tmp_path / "derivatives/sub-stroke0001/ses-01/sub-stroke0001_ses-01_space-ncct_ctp.nii.gz"
    write_scan(path, small.frames, small.spacing_mm)
    assert Isles2024(root=tmp_path).cases("test") == ["sub-stroke0001"]


def test_a_scan_without_a_lesion_has_no_truth(head, tmp_path):
    write_scan(
        tmp_path / "rawdata/sub-stroke0001/ses-01/sub-stroke0001_ses-01_ctp.nii.gz", head.frames, head.spacing_mm
    )
    assert Isles2024(root=tmp_path).load("sub-stroke0001", None).truth is None


def test_without_data_both_ways_to_give_them_are_named(monkeypatch):
    monkeypatch.delenv("ISLES2024_ROOT", raising=False)
    with pytest.raises(
        DataError, match=r"isles2024: root: got nothing; allowed: the folder .*; give it, .* variable ISLES2024_ROOT"
    ):
        Isles2024().cases("train")
