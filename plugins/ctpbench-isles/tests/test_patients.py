"""Simulated patients with real-like arteries, in the layouts of real data: what is read is what was scanned."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench_isles.files import DicomFolders
from ctpbench_isles.isles2018 import Isles2018
from ctpbench_isles.isles2024 import Isles2024
from ctpbench_phantom.real_like import RealLike

from . import dicom_files
from .nifti_files import write_mask, write_scan

CASES = {"isles2018": "case_1", "isles2024": "sub-stroke0001", "dicom": "series-001"}


@pytest.fixture(scope="module")
def patient():
    """A patient of two slices, and the AIF of its blood."""
    how = {"size_px": 128, "pixel_mm": 1.8, "slices": 2, "views": 384, "detectors": 192, "frames": 44}
    scanned = RealLike(**how).load("patient-01", 4e5)
    return scanned, RealLike(**how, input_functions="true").load("patient-01", None).observation.aif


@pytest.fixture(scope="module")
def datasets(patient, tmp_path_factory):
    """The patient's scan in each layout, in whole HU."""
    scanned, _ = patient
    frames, spacing_mm = np.rint(scanned.observation.frames.values), (5.0, 1.8, 1.8)
    core = scanned.truth.rois.sel(roi="core").values
    root = tmp_path_factory.mktemp("patients")
    case = root / "isles2018" / "TRAINING" / "case_1"
    for kind, number in (("CT_4DPWI", 345561), ("OT", 345562)):
        name = f"SMIR.Brain.XX.O.{kind}.{number}"
        path = case / name / f"{name}.nii"
        write_scan(path, frames, spacing_mm, interval=0) if kind != "OT" else write_mask(path, core, spacing_mm)
    stroke = "sub-stroke0001"
    raw = root / "isles2024" / "raw_data" / stroke / "ses-01" / f"{stroke}_ses-01_ctp.nii.gz"
    write_scan(raw, frames, spacing_mm, interval=1000.0, units="msec", codes=("L", "P", "S"))
    dicom_files.write_series(root / "dicom", frames, np.arange(44.0), spacing_mm=spacing_mm)
    return {
        "isles2018": Isles2018(root=root / "isles2018"),
        "isles2024": Isles2024(root=root / "isles2024"),
        "dicom": DicomFolders(root=root / "dicom"),
    }


@pytest.mark.parametrize("layout", CASES)
def test_a_patients_frames_come_back_and_the_arterys_curve_is_the_bloods(layout, datasets, patient):
    scanned, true_aif = patient
    case = datasets[layout].load(CASES[layout], None)
    assert np.array_equal(case.observation.frames.values, np.rint(scanned.observation.frames.values))
    assert np.array_equal(case.observation.times_s, np.arange(44.0))
    found = case.observation.aif
    assert np.corrcoef(found, true_aif)[0, 1] >= 0.98
    assert abs(int(found.argmax()) - int(true_aif.argmax())) <= 1
    assert 0.7 < found.max() / true_aif.max() < 1.4
    assert not case.inspection["filtered_in_time"]


def test_the_infarct_lies_where_it_was_drawn(datasets, patient):
    scanned, _ = patient
    rois = datasets["isles2018"].load("case_1", None).truth.rois
    assert np.array_equal(rois.sel(roi="core").values, scanned.truth.rois.sel(roi="core").values)
