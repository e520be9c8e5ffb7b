"""What all datasets of recorded scans do alike: splits, slabs, doses, regions, and no word of the patient."""

from itertools import chain

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError

import ctpbench
from ctpbench import DataError, inspect_series
from ctpbench_isles import splits
from ctpbench_isles.files import NiftiFiles
from ctpbench_isles.lower_dose import LowerDose
from ctpbench_isles.nifti import NiftiSeries

from .conftest import head_series
from .nifti_files import write_mask, write_scan

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def tall():
    return head_series(slices=5, seed=1)


@pytest.fixture(scope="module")
def folder(tall, tmp_path_factory):
    """Ten scans: the first can be read, the others need not."""
    folder = tmp_path_factory.mktemp("scans")
    write_scan(folder / "a.nii.gz", tall.frames, tall.spacing_mm, codes=("L", "A", "I"))
    for n in range(9):
        (folder / f"b{n}.nii").write_bytes(b"no scan")
    return folder


def test_a_case_is_the_scan_with_its_masks_input_functions_and_facts(folder, tall):
    case = NiftiFiles(root=folder).load("scan-001", None)
    assert case.id == "scan-001"
    assert case.truth is None
    observation = case.observation
    assert np.array_equal(observation.frames.values, tall.frames)
    assert np.array_equal(observation.times_s, tall.times_s)
    np.testing.assert_allclose(observation.frames.attrs["spacing_mm"], tall.spacing_mm, rtol=1e-6)
    inside = observation.frames["brain"].values
    assert (inside & tall.brain).sum() > 0.95 * (inside | tall.brain).sum()
    assert observation.frames["vessels"].values[tall.artery].all()
    assert np.corrcoef(observation.aif, tall.aif)[0, 1] > 0.98
    whole = inspect_series(NiftiSeries(folder / "a.nii.gz"))
    assert case.inspection == {**whole.facts, "warnings": "; ".join(whole.warnings)}
    assert 4 < case.inspection["noise_hu"] < 6


def test_slabs_are_the_whole_cut_up(folder):
    whole = NiftiFiles(root=folder, test_share=1, validation_share=0).load("scan-001", None)
    dataset = NiftiFiles(root=folder, test_share=1, validation_share=0, slab_slices=2)
    ids = [case for case in dataset.cases("test") if case.startswith("scan-001")]
    assert ids == ["scan-001/z00-01", "scan-001/z02-03", "scan-001/z04-04"]
    slabs = [dataset.load(case, None) for case in ids]
    assert [slab.id for slab in slabs] == ids
    for part in ("frames", "brain", "vessels"):
        pieces = [slab.observation.frames if part == "frames" else slab.observation.frames[part] for slab in slabs]
        expected = whole.observation.frames if part == "frames" else whole.observation.frames[part]
        assert np.array_equal(
            np.concatenate([p.values for p in pieces], axis=expected.dims.index("z")), expected.values
        )
    for slab in slabs:
        assert np.array_equal(slab.observation.aif, whole.observation.aif)
        assert slab.inspection == whole.inspection


def test_a_scan_is_inspected_once_for_all_its_slabs_and_again_when_it_changed(folder, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(ctpbench, "inspect_series", lambda *a, **k: calls.append(1) or inspect_series(*a, **k))
    path = tmp_path / "scan.nii.gz"
    path.write_bytes((folder / "a.nii.gz").read_bytes())
    dataset = NiftiFiles(root=path, slab_slices=2)
    for case in dataset.cases("test"):
        dataset.load(case, None)
    assert len(calls) == 1
    before = dataset.fingerprint()
    path.write_bytes(path.read_bytes() + b"\0")
    assert dataset.fingerprint() != before
    dataset.load("scan-001/z00-01", None)
    assert len(calls) == 2


def test_all_slabs_of_a_scan_are_in_one_split(tmp_path, head):
    for n in range(6):
        write_scan(tmp_path / f"{n}.nii", head.frames[:, :, ::8, ::8], head.spacing_mm)
    dataset = NiftiFiles(root=tmp_path, slab_slices=1)
    where = {split: {case.split("/")[0] for case in dataset.cases(split)} for split in SPLITS}
    assert sorted(chain(*where.values())) == [f"scan-{n:03d}" for n in range(1, 7)]
    assert sum(len(dataset.cases(split)) for split in SPLITS) == 12


def test_a_scan_that_cannot_be_read_is_listed_and_fails_alone(folder):
    dataset = NiftiFiles(root=folder, test_share=1, validation_share=0, slab_slices=2)
    assert len(dataset.cases("test")) == 3 + 9
    with pytest.raises(DataError, match=r"b0\.nii: got no NIfTI header"):
        dataset.load("scan-002", None)
    assert dataset.load("scan-001/z00-01", None)


@pytest.mark.parametrize("case", ["scan-011", "scan-001/z", "scan-001/z03-05", "scan-001/z03-02", "scan-001/z9-9", "x"])
def test_cases_that_are_not_there_are_refused(folder, case):
    with pytest.raises(
        DataError, match=f"nifti: no case '{case}'; allowed: (10 cases: scan-001|slices 0 to 4 of scan-001)"
    ):
        NiftiFiles(root=folder, slab_slices=2).load(case, None)


def test_splits_hold_each_case_once_by_patient_and_depend_on_the_seed():
    patients = {f"case_{n}": f"patient_{n // 2}" for n in range(40)}
    found = splits.drawn(patients, 0.1, 0.2, 0)
    assert sorted(chain(*found.values())) == sorted(patients)
    assert {split: len(found[split]) for split in SPLITS} == {"train": 28, "validation": 4, "test": 8}
    people = {split: {patients[case] for case in cases} for split, cases in found.items()}
    assert not people["train"] & people["test"] | people["train"] & people["validation"]
    assert not people["validation"] & people["test"]
    assert splits.drawn(patients, 0.1, 0.2, 0) == found
    assert splits.drawn(patients, 0.1, 0.2, 1) != found


@pytest.mark.parametrize(
    ("count", "validation", "test", "sizes"),
    [
        (1, 0.1, 0.2, (0, 0, 1)),
        (2, 0.1, 0.2, (1, 0, 1)),
        (3, 0.1, 0.2, (1, 1, 1)),
        (10, 0.1, 0.2, (7, 1, 2)),
        (5, 0, 1, (0, 0, 5)),
        (5, 0.4, 0.6, (0, 2, 3)),
        (5, 0, 0, (5, 0, 0)),
        (5, 1, 0, (0, 5, 0)),
    ],
)
def test_sizes_of_splits(count, validation, test, sizes):
    found = splits.drawn({str(n): str(n) for n in range(count)}, validation, test, 0)
    assert tuple(len(found[split]) for split in SPLITS) == sizes


def test_listed_cases_override_the_shares(folder):
    dataset = NiftiFiles(root=folder, train_cases=("scan-003", "scan-002"), test_cases=("scan-001",), slab_slices=3)
    assert dataset.cases("train") == ["scan-003", "scan-002"]
    assert dataset.cases("validation") == []
    assert dataset.cases("test") == ["scan-001/z00-02", "scan-001/z03-04"]


def test_a_listed_case_that_is_not_there_is_named(folder):
    message = r"nifti: test_cases: got 'scan-11'; allowed: 10 cases: scan-001, scan-002, ..., scan-010"
    with pytest.raises(DataError, match=message):
        NiftiFiles(root=folder, test_cases=("scan-001", "scan-11")).cases("train")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"train_cases": ("a",), "test_cases": ("b", "a")}, "got a more than once; allowed: each case in one split"),
        ({"validation_share": 0.6, "test_share": 0.5}, "got 0.6 and 0.5; allowed: up to 1 together"),
        ({"slab_slices": 0}, "greater than or equal to 1"),
        ({"aif_method": "guess"}, "'components' or 'kmeans'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, says):
    with pytest.raises(ValidationError, match=says):
        NiftiFiles(**parameters)


@pytest.mark.parametrize("root", [None, "nowhere"])
def test_missing_data_are_an_error_when_cases_are_listed(tmp_path, root):
    dataset = NiftiFiles(root=root and tmp_path / root)
    for ask in (lambda: dataset.cases("test"), dataset.fingerprint, lambda: dataset.load("scan-001", None)):
        with pytest.raises(
            DataError, match=r"nifti: root: got .*; allowed: a .nii or .nii.gz file, or a folder of them"
        ):
            ask()


def test_an_empty_folder_holds_no_scan(tmp_path):
    with pytest.raises(DataError, match=rf"nifti: {tmp_path}: got no scan; allowed: a .nii"):
        NiftiFiles(root=tmp_path).cases("test")


def test_the_methods_of_the_inspection_are_passed_on(folder, monkeypatch):
    passed = {}
    monkeypatch.setattr(ctpbench, "inspect_series", lambda series, **k: passed.update(k) or inspect_series(series))
    NiftiFiles(root=folder, aif_method="kmeans", partial_volume=False).load("scan-001", None)
    assert passed == {"aif_method": "kmeans", "partial_volume": False, "aif": None}


def test_an_aif_of_ones_own_is_taken_for_its_scan(folder, tmp_path):
    dataset = NiftiFiles(root=folder, aifs=tmp_path)
    found, before = dataset.load("scan-001", None), dataset.fingerprint()
    times_s = found.observation.frames["time"].values
    curve = 100 * np.exp(-(((times_s - times_s[0] - 12) / 4) ** 2))
    rows = "".join(f"{time_s},{hu}\n" for time_s, hu in zip(times_s - times_s[0], curve, strict=True))
    (tmp_path / "scan-001_aif.csv").write_text("time_s,hu\n" + rows)
    np.testing.assert_allclose(dataset.load("scan-001", None).observation.aif, curve, rtol=1e-4, atol=1e-4)
    assert dataset.fingerprint() != before
    assert found.inspection["aif_voxels"] > 0
    with pytest.raises(DataError, match=r"nifti: aifs: got .*, which is no folder"):
        NiftiFiles(root=folder, aifs=tmp_path / "none").load("scan-001", None)


# Regions of interest


def test_drawn_regions_are_the_truth_in_any_orientation_and_of_a_slab(folder, tall, tmp_path):
    write_mask(tmp_path / "scan-001_core.nii.gz", tall.core, tall.spacing_mm, codes=("A", "S", "R"))
    write_mask(tmp_path / "scan-001_white_matter.nii", tall.white_matter, tall.spacing_mm)
    case = NiftiFiles(root=folder, rois=tmp_path, slab_slices=2).load("scan-001/z02-03", None)
    rois = case.truth.rois
    assert rois["roi"].values.tolist() == ["core", "white_matter"]
    assert np.array_equal(rois.sel(roi="core").values, tall.core[2:4])
    assert np.array_equal(rois.sel(roi="white_matter").values, tall.white_matter[2:4])
    assert case.truth.maps is None
    assert case.truth.frames is None


def test_regions_are_part_of_the_fingerprint(folder, tall, tmp_path):
    dataset = NiftiFiles(root=folder, rois=tmp_path)
    before = dataset.fingerprint()
    write_mask(tmp_path / "scan-004_core.nii.gz", tall.core, tall.spacing_mm)
    assert dataset.fingerprint() != before == NiftiFiles(root=folder).fingerprint()


def test_regions_that_do_not_fit_are_named(folder, tall, tmp_path):
    path = write_mask(tmp_path / "scan-001_core.nii", tall.core[1:], tall.spacing_mm)
    with pytest.raises(
        DataError, match=rf"{path}: got a mask of \(4, 48, 44\) voxels.*allowed: \(5, 48, 44\), the scan's"
    ):
        NiftiFiles(root=folder, rois=tmp_path).load("scan-001", None)
    write_scan(path, tall.frames, tall.spacing_mm)
    with pytest.raises(DataError, match=rf"{path}: got 24 images; allowed: one, a 3-D mask"):
        NiftiFiles(root=folder, rois=tmp_path).load("scan-001", None)
    with pytest.raises(DataError, match=r"nifti: rois: got .*/none, which is no folder"):
        NiftiFiles(root=folder, rois=tmp_path / "none").load("scan-001", None)


# Lower doses


def test_a_lower_dose_has_more_noise_the_same_each_time_and_slab_by_slab(folder, tall):
    series = NiftiSeries(folder / "a.nii.gz")
    low = LowerDose(series, 0.25, "scan-001")
    whole = low.read(slice(None))
    assert np.array_equal(whole, np.concatenate([low.read(slice(0, 2)), low.read(slice(2, 5))], axis=1))
    assert np.array_equal(whole, LowerDose(series, 0.25, "scan-001").read(slice(None)))
    added = (whole - tall.frames)[:, tall.brain]
    assert added.std() == pytest.approx(5 * np.sqrt(3), rel=0.1)  # 5 HU at the full dose, 10 HU at a quarter
    assert abs(added.mean()) < 0.2
    other = LowerDose(series, 0.25, "scan-002").read(slice(None))
    assert abs(np.corrcoef(added.ravel(), (other - tall.frames)[:, tall.brain].ravel())[0, 1]) < 0.05
    slices = (whole - tall.frames)[:, :2].reshape(24, 2, -1)[:, :, (tall.brain[0] & tall.brain[1]).ravel()]
    assert abs(np.corrcoef(slices[:, 0].ravel(), slices[:, 1].ravel())[0, 1]) < 0.05
    assert np.array_equal(whole[:, tall.frames[0] == -1000], tall.frames[:, tall.frames[0] == -1000])


def test_a_lower_dose_is_what_the_whole_case_sees(folder):
    dataset = NiftiFiles(root=folder, slab_slices=2)
    full, low = dataset.load("scan-001/z00-01", None), dataset.load("scan-001/z00-01", 0.25)
    assert low.inspection["noise_hu"] == pytest.approx(2 * full.inspection["noise_hu"], rel=0.1)
    assert not np.array_equal(low.observation.aif, full.observation.aif)
    again = NiftiFiles(root=folder, slab_slices=2).load("scan-001/z00-01", 0.25)
    assert again.observation.frames.identical(low.observation.frames)
    assert dataset.load("scan-001/z00-01", 1.0).observation.frames.identical(full.observation.frames)


@pytest.mark.parametrize("noise", [0.0, -0.5, 1.5, 2e5, float("nan"), float("inf")])
def test_a_dose_out_of_bounds_is_refused(folder, noise):
    with pytest.raises(DataError, match=r"nifti: noise: got .*; allowed: a fraction of the dose, up to 1, or none"):
        NiftiFiles(root=folder).load("scan-001", noise)


def test_a_lower_dose_is_written_as_its_source_is(folder, tmp_path):
    low = LowerDose(NiftiSeries(folder / "a.nii.gz"), 0.5, "scan-001")
    assert low.formats == ("nifti",)
    with low.create(tmp_path, "cbf", "nifti", times_s=None, units="HU") as volume:
        volume.put(0, np.ones(low.shape[1:], np.float32))
    assert nib.load(tmp_path / "cbf.nii").shape == (44, 48, 5)


# Privacy


def test_a_case_says_nothing_of_the_patient(tall, tmp_path):
    path = write_scan(tmp_path / "DOE_JANE.nii", tall.frames, tall.spacing_mm)
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    for field in ("descrip", "db_name", "intent_name", "aux_file"):
        header[field] = b"DOE^JANE"
    path.write_bytes(header.binaryblock + data[348:])
    dataset = NiftiFiles(root=tmp_path, test_share=1, validation_share=0)
    assert dataset.cases("test") == ["scan-001"]
    case = dataset.load("scan-001", None)
    frames = case.observation.frames
    texts = [
        case.id,
        case.inspection,
        frames.attrs,
        frames.name,
        dataset.fingerprint(),
        str(frames.to_dict(data=False)),
    ]
    assert "JANE" not in repr(texts)
    assert "DOE" not in repr(texts)
