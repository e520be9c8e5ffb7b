"""The folders of ISLES 2018 as they are distributed."""

import numpy as np
import pytest
from pydantic import ValidationError

from ctpbench import DataError
from ctpbench_isles import isles2018
from ctpbench_isles.isles2018 import Isles2018

from .conftest import head_series
from .nifti_files import write_mask, write_scan


@pytest.fixture(scope="module")
def root(head, tmp_path_factory):
    """Cases 1, 2, 10 and a test case; the images' numbers run on as the challenge's do."""
    root = tmp_path_factory.mktemp("ISLES2018")
    number = 345561
    for part, case, ending in (
        ("TRAINING", 1, ".nii"),
        ("TRAINING", 2, ".nii.gz"),
        ("TRAINING", 10, ".nii"),
        ("TESTING", 1, ".nii"),
    ):
        folder = root / part / f"case_{case}"
        for kind in ("CT_4DPWI", "CT", "CT_CBF", "CT_CBV", "CT_MTT", "CT_Tmax", "OT"):
            if (kind, part) == ("OT", "TESTING"):
                continue
            name = f"SMIR.Brain.XX.O.{kind}.{number}"
            path = folder / name / f"{name}{ending}"
            if kind == "CT_4DPWI":
                interval = 0.0 if case == 1 else 2.0
                write_scan(path, head.frames, head.spacing_mm, codes=("L", "A", "S"), interval=interval)
            else:
                write_mask(path, head.core if kind == "OT" else head.brain, head.spacing_mm, ("L", "A", "S"))
            number += 1
    return root


def all_cases(dataset):
    return [case for split in ("train", "validation", "test") for case in dataset.cases(split)]


def test_cases_are_in_the_order_of_their_numbers(root):
    assert Isles2018(root=root, test_share=0, validation_share=0).cases("train") == ["case_1", "case_2", "case_10"]
    assert sorted(all_cases(Isles2018(root=root))) == ["case_1", "case_10", "case_2"]


def test_the_folder_of_a_part_serves_as_well(root):
    assert sorted(all_cases(Isles2018(root=root / "TRAINING"))) == ["case_1", "case_10", "case_2"]


@pytest.mark.parametrize("place", ["training", "isles/Training", "ISLES2018_Training/TRAINING"])
def test_folders_of_other_case_and_depth_serve_as_well(root, tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(root / "TRAINING", target_is_directory=True)
    assert all_cases(Isles2018(root=tmp_path)) == all_cases(Isles2018(root=root))


def test_a_case_is_the_series_with_its_core(root, head):
    case = Isles2018(root=root).load("case_2", None)
    assert np.array_equal(case.observation.frames.values, head.frames)
    assert case.observation.dt_s == 2.0
    assert case.truth.rois["roi"].values.tolist() == ["core"]
    assert np.array_equal(case.truth.rois.values[0], head.core)
    assert case.inspection["frames"] == 24


def test_frames_are_a_second_apart_where_the_file_does_not_say(root):
    assert Isles2018(root=root).load("case_1", None).observation.dt_s == 1.0


def test_the_test_set_has_no_core(root):
    dataset = Isles2018(root=root, part="testing")
    assert dataset.cases("test") == ["case_1"]
    assert dataset.load("case_1", None).truth is None


def test_a_core_that_the_user_drew_goes_before_the_datasets(root, head, tmp_path):
    write_mask(tmp_path / "case_10_core.nii.gz", head.white_matter, head.spacing_mm)
    write_mask(tmp_path / "case_2_white_matter.nii.gz", head.white_matter, head.spacing_mm)
    dataset = Isles2018(root=root, rois=tmp_path)
    assert np.array_equal(dataset.load("case_10", None).truth.rois.values[0], head.white_matter)
    both = dataset.load("case_2", None).truth.rois
    assert np.array_equal(both.sel(roi="core"), head.core)
    assert np.array_equal(both.sel(roi="white_matter"), head.white_matter)


def test_the_environment_says_where_the_data_are(root, monkeypatch):
    monkeypatch.setenv("ISLES2018_ROOT", str(root))
    assert len(all_cases(Isles2018())) == 3
    assert Isles2018().fingerprint() == Isles2018(root=root).fingerprint()


@pytest.mark.parametrize("variable", [None, "/nowhere"])
def test_without_data_both_ways_to_give_them_are_named(monkeypatch, variable):
    monkeypatch.delenv("ISLES2018_ROOT", raising=False)
    if variable:
        monkeypatch.setenv("ISLES2018_ROOT", variable)
    message = (
        "isles2018: root: got .*; allowed: the folder that holds TRAINING; "
        "give it, or set the environment variable ISLES2018_ROOT"
    )
    with pytest.raises(DataError, match=message):
        Isles2018().cases("train")


def test_a_case_without_its_series_or_with_two_fails_when_loaded(root, head, tmp_path):
    (tmp_path / "TRAINING" / "case_3").mkdir(parents=True)
    for number in (1, 2):
        write_scan(tmp_path / f"TRAINING/case_4/SMIR.Brain.XX.O.CT_4DPWI.{number}.nii", head.frames, head.spacing_mm)
    dataset = Isles2018(root=tmp_path, test_share=0, validation_share=0)
    assert dataset.cases("train") == ["case_3", "case_4"]
    for case, count in (("case_3", 0), ("case_4", 2)):
        with pytest.raises(DataError, match=rf"{case}: got {count} files \*4DPWI\*.nii; allowed: one, the 4-D series"):
            dataset.load(case, None)


def test_a_core_on_other_voxels_is_refused(head, tmp_path):
    write_scan(
        tmp_path / "case_1/SMIR.Brain.XX.O.CT_4DPWI.1/SMIR.Brain.XX.O.CT_4DPWI.1.nii", head.frames, head.spacing_mm
    )
    path = tmp_path / "case_1/SMIR.Brain.XX.O.OT.7/SMIR.Brain.XX.O.OT.7.nii"
    write_mask(path, head_series(slices=3).core, head.spacing_mm)
    with pytest.raises(DataError, match=rf"{path}: got a mask of \(3, 48, 44\) voxels"):
        Isles2018(root=tmp_path).load("case_1", None)


# The paper's cases

NUMBERS = [5, 61, 3, 92, 14, 8, 77, 20, 33, 41, 2, 17, 64, 70, 55, 29, 11, 90, 1, 44, 6, 52]  # made up: 22, as theirs


@pytest.fixture
def listed(tmp_path):
    for number in (*NUMBERS, 99):
        (tmp_path / f"TRAINING/case_{number}").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("form", ["npy", "txt"])
def test_the_papers_list_gives_16_to_train_and_its_last_5_to_test(listed, form):
    path = listed / f"filelist_uncor.{form}"
    if form == "npy":
        np.save(path, np.array([str(number) for number in NUMBERS]))
    else:
        path.write_text("\n".join(map(str, NUMBERS)), encoding="utf-8")
    dataset = Isles2018(root=listed, paper_list=path)
    assert dataset.cases("train") == [f"case_{number}" for number in NUMBERS[:16]]
    assert dataset.cases("validation") == [f"case_{NUMBERS[16]}"]
    assert dataset.cases("test") == [f"case_{number}" for number in NUMBERS[17:]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3 4 5 6", "got 6 cases; allowed: more than 6"),
        ("1 2 three", "got invalid literal .*; allowed: the numbers of cases, in order"),
        ("1 2 3 5 6 8 1234", "test_cases: got 'case_1234'; allowed: 23 cases"),
        ("1 2 3 5 6 8 2", "got a case twice; allowed: "),
        (None, "cannot be read"),
    ],
)
def test_a_list_that_does_not_fit_is_named(listed, text, says):
    path = listed / "list.txt"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"{path}: {says}"):
        Isles2018(root=listed, paper_list=path).cases("train")


def test_splits_are_given_once(tmp_path):
    with pytest.raises(ValidationError, match=r"paper_list: got cases listed in .* as well; allowed: one or the other"):
        Isles2018(paper_list=tmp_path / "list.txt", test_cases=("case_1",))


# -- the paper's scans ---


@pytest.fixture(scope="module")
def many(head, tmp_path_factory):
    """Eight cases: the 2nd was filtered in time, the 4th has 3 slices, the 5th cannot be read."""
    root = tmp_path_factory.mktemp("many")
    filtered = head.frames.copy()
    filtered[1:-1] = head.frames[:-2] / 4 + head.frames[1:-1] / 2 + head.frames[2:] / 4
    three = np.concatenate([head.frames, head.frames[:, :1]], axis=1)
    for case in range(1, 9):
        name = f"SMIR.Brain.XX.O.CT_4DPWI.{case}"
        path = root / "TRAINING" / f"case_{case}" / name / f"{name}.nii"
        write_scan(path, {2: filtered, 4: three}.get(case, head.frames), head.spacing_mm)
        if case == 5:
            path.write_bytes(path.read_bytes()[:1000])
    return root


@pytest.fixture(autouse=True)
def _forget():
    """Let no test see what another, with other criteria, found out about a scan."""
    isles2018._fits_the_paper.cache_clear()


def test_the_papers_scans_are_those_that_fit_its_words(many, monkeypatch):
    monkeypatch.setattr(isles2018, "_PAPER_FRAMES", (20, 50))
    monkeypatch.setattr(isles2018, "_PAPER_COUNTS", {"train": 3, "validation": 1, "test": 1})
    dataset = Isles2018(root=many, preset="paper")
    assert dataset.aif_method == "kmeans"
    assert dataset.cases("train") == ["case_1", "case_3", "case_6"]
    assert dataset.cases("validation") == ["case_7"]
    assert dataset.cases("test") == ["case_8"]
    assert Isles2018(root=many, preset="paper", test_cases=["case_2"]).cases("test") == ["case_2"]
    assert Isles2018(root=many, preset="paper", aif_method="components").aif_method == "components"


def test_too_few_scans_that_fit_are_counted(many):
    with pytest.raises(DataError, match=r"preset paper: got 0 scans .* 40 to 50 frames .*; allowed: 22 or more"):
        Isles2018(root=many, preset="paper").cases("test")
