"""What is written as DICOM lies where the scan lies, comes back as it was, and tells nothing about the patient."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import RLELossless

from ctpbench import DataError
from ctpbench_isles.dicom import open_dicom
from ctpbench_isles.dicom_write import fitting_slope

from .conftest import head_series
from .dicom_files import ORIGIN_MM, SECRETS, SPACING_MM, write_enhanced, write_series

WAYS = [((False, False), False), ((True, False), False), ((True, True), True), ((False, False), True)]


@pytest.fixture(scope="module")
def scan():
    """Three slices of a head, four frames at 1.5 s."""
    return head_series(slices=3, rows=16, columns=14, frames=4, interval_s=1.5)


@pytest.fixture
def series(scan, tmp_path):
    return open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s))


def write(series, folder, name, values, format="dicom", *, times_s=None, units="HU"):
    """Write values slab by slab, the last slab first."""
    folder.mkdir(exist_ok=True)
    axis = 0 if times_s is None else 1
    with series.create(folder, name, format, times_s=times_s, units=units) as volume:
        for first in (2, 0):
            volume.put(first, np.take(values, range(first, min(first + 2, 3)), axis=axis))
    return folder / name


@pytest.mark.parametrize(("flip", "transpose"), WAYS)
def test_a_written_series_comes_back(scan, tmp_path, flip, transpose):
    source = open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s, flip=flip, transpose=transpose))
    values = scan.frames + np.float32(0.3)
    folder = write(source, tmp_path / "out", "denoised", values, times_s=scan.times_s)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["denoised"]
    assert len(list(folder.iterdir())) == 12
    back = open_dicom(folder)
    np.testing.assert_allclose(back.read(slice(None)), values, atol=0.0501)
    np.testing.assert_allclose(back.frame_times_s, source.frame_times_s, atol=1e-6)
    np.testing.assert_allclose(back.affine, source.affine, atol=1e-6)
    assert back.spacing_mm == pytest.approx(source.spacing_mm)


def test_a_map_is_one_image_a_slice_in_its_units(scan, series, tmp_path):
    cbf = np.linspace(0, 123.4, 3 * 16 * 14, dtype=np.float32).reshape(3, 16, 14)
    cbf[1, 2, 3] = np.nan
    folder = write(series, tmp_path / "out", "cbf", cbf, units="mL/100 g/min")
    images = [dcmread(file) for file in sorted(folder.iterdir())]
    assert len(images) == 3
    for z, image in enumerate(images):
        np.testing.assert_allclose(image.ImagePositionPatient, np.add(ORIGIN_MM, (0, 0, SPACING_MM[0] * z)))
        values = image.pixel_array * image.RescaleSlope + image.RescaleIntercept
        undefined = np.isnan(cbf[z])
        np.testing.assert_allclose(values[~undefined], cbf[z][~undefined], atol=0.00501)
        assert (image.pixel_array[undefined] == image.PixelPaddingValue).all()
        assert image.RescaleType == "mL/100 g/min"
        assert image.SeriesDescription == "ctpbench cbf"
        assert image.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert "AcquisitionTime" not in image


def test_what_is_written_of_a_scan_lies_together_and_nowhere_near_its_source(scan, series, tmp_path):
    source = dcmread(next((tmp_path / "scan").iterdir()))
    maps = [write(series, tmp_path / "out", name, scan.frames[0]) for name in ("cbf", "cbv")]
    cbf, cbv = (dcmread(next(folder.iterdir())) for folder in maps)
    assert (cbf.StudyInstanceUID, cbf.FrameOfReferenceUID) == (cbv.StudyInstanceUID, cbv.FrameOfReferenceUID)
    assert cbf.SeriesInstanceUID != cbv.SeriesInstanceUID
    for tag in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"):
        assert cbf[tag].value != source[tag].value
    instances = [dcmread(file).SOPInstanceUID for folder in maps for file in folder.iterdir()]
    assert len(set(instances)) == 6


def test_times_count_from_midnight(scan, series, tmp_path):
    times_s = np.array([0.0, 1.25, 61.5, 3723.000125])
    folder = write(series, tmp_path / "out", "denoised", scan.frames, times_s=times_s)
    times = [dcmread(file).AcquisitionTime for file in sorted(folder.glob("*z0001.dcm"))]
    assert times == ["000000.000000", "000001.250000", "000101.500000", "010203.000125"]


ORDERS = {  # what the images of one slice are put in time by
    "Slicer (fedorov/MultiVolumeImporter#14)": "AcquisitionTime",
    "OHIF (cornerstonejs/cornerstone3D#1055)": "TemporalPositionIdentifier",
    "dcm2niix (rordenlab/dcm2niix#184)": "InstanceNumber",
    "by acquisition (rordenlab/dcm2niix#59)": "AcquisitionNumber",
    "Larvitar (dvisionlab/Larvitar#194)": "ContentTime",
}


@pytest.mark.parametrize("keyword", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("flip", [False, True])
def test_whatever_a_viewer_sorts_by_puts_the_frames_in_time(scan, tmp_path, keyword, flip):
    """Every slice has the same moments, and all ways to sort agree: two decide that a series is 4-D at all."""
    times_s = np.array([0.0, 1.5, 3.0, 58.75])  # a minute and an hour are not places to come out of order
    times_s = np.concatenate([times_s, times_s + 61.0, times_s + 3601.0])
    frames = np.concatenate([scan.frames] * 3) + np.arange(12, dtype=np.float32)[:, None, None, None]
    series = open_dicom(write_series(tmp_path / "scan", frames, times_s, flip=(flip, flip)))
    with series.create(tmp_path, "denoised", "dicom", times_s=times_s, units="HU") as volume:
        volume.put(0, frames)
    images = [dcmread(file) for file in sorted((tmp_path / "denoised").iterdir())]
    slices = {}
    for image in images:
        slices.setdefault(float(image.SliceLocation), []).append(image)
    assert len(slices) == 3
    seconds = [
        [
            float(image.AcquisitionTime[:2]) * 3600
            + float(image.AcquisitionTime[2:4]) * 60
            + float(image.AcquisitionTime[4:])
            for image in sorted(stack, key=lambda image: image[keyword].value)
        ]
        for stack in slices.values()
    ]
    assert np.allclose(seconds, times_s)
    if keyword != "InstanceNumber":  # of one moment, the same in every slice
        moments = [{str(image[keyword].value) for image in stack} for stack in slices.values()]
        assert moments[0] == moments[1] == moments[2]
        assert len(moments[0]) == 12
    assert len({image.InstanceNumber for image in images}) == 36
    assert [image.InstanceNumber for image in images] == sorted(image.InstanceNumber for image in images)
    assert len({(image.SeriesInstanceUID, image.SeriesNumber, image.StudyTime) for image in images}) == 1


@pytest.mark.parametrize("tilt", [0.0, 1.5])
def test_the_same_map_can_be_written_as_nifti(scan, tmp_path, tilt):
    series = open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s, flip=(True, False), tilt=tilt))
    write(series, tmp_path / "out", "cbf", scan.frames[0], "nifti")
    image = nib.load(tmp_path / "out" / "cbf.nii")
    np.testing.assert_allclose(image.affine, series.affine, atol=1e-4)
    values = np.asarray(image.dataobj)
    left, back, height = np.add(ORIGIN_MM, (4 * SPACING_MM[2], 7 * SPACING_MM[1] + tilt, SPACING_MM[0]))
    i, j, k, _ = np.rint(np.linalg.solve(image.affine, (-left, -back, height, 1))).astype(int)
    assert values[i, j, k] == scan.frames[0, 1, 7, 4]


@pytest.mark.parametrize("format", ["dicom", "dicom-pm"])
def test_a_block_that_fails_leaves_nothing(scan, series, tmp_path, format):
    out = tmp_path / "out"
    out.mkdir()

    def fail():
        with series.create(out, "cbf", format, times_s=None, units="s") as volume:
            volume.put(0, scan.frames[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(out.iterdir()) == []


def test_an_existing_folder_is_left_alone(scan, series, tmp_path):
    (tmp_path / "cbf").mkdir()
    with pytest.raises(DataError, match="exists; allowed: a new folder"):
        series.create(tmp_path, "cbf", "dicom", times_s=None, units="s")
    assert list((tmp_path / "cbf").iterdir()) == []


def test_what_a_killed_run_left_is_taken_away(scan, series, tmp_path):
    series.create(tmp_path, "cbf", "dicom", times_s=None, units="s").put(0, scan.frames[0])
    folder = write(series, tmp_path, "cbf", scan.frames[0])
    assert len(list(folder.iterdir())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cbf", "scan"]


def test_a_folder_that_cannot_be_written_is_named(series, tmp_path):
    with pytest.raises(DataError, match="nowhere/cbf: cannot be written"):
        series.create(tmp_path / "nowhere", "cbf", "dicom", times_s=None, units="s")


@pytest.mark.parametrize("shape", [(3, 16, 13), (4, 3, 16, 14), (4, 16, 14)])
def test_only_whole_slices_within_the_scan_are_taken(series, tmp_path, shape):
    with pytest.raises(
        ValueError, match=r"put: got float32 of shape .*; allowed: float32 of shape \(n, 16, 14\) within slices 0 to 2"
    ):
        series.create(tmp_path, "cbf", "dicom", times_s=None, units="s").put(0, np.zeros(shape, np.float32))


@given(st.floats(2.0**-20, 2.0**20, width=32))
def test_slopes_fit_and_waste_little(largest):
    slope = fitting_slope(np.float32([0.0, -largest, np.nan, largest / 3]))
    assert round(largest / slope) <= 32767
    assert largest / slope > 32767 / 2.6


def test_zeros_have_a_slope():
    assert fitting_slope(np.zeros((2, 2), np.float32)) == 1


@pytest.mark.parametrize("kind", ["classic", "compressed", "enhanced"])
@pytest.mark.parametrize("format", ["dicom", "dicom-pm", "nifti"])
def test_nothing_tells_who_the_patient_is(scan, tmp_path, recwarn, caplog, kind, format):
    if kind == "enhanced":
        path = write_enhanced(tmp_path / "scan.dcm", scan.frames, scan.times_s)
    else:
        encode = None if kind == "classic" else lambda image: image.compress(RLELossless)
        path = write_series(tmp_path / "scan", scan.frames, scan.times_s, encode=encode, BitsStored=16, HighBit=15)
    source = b"".join(file.read_bytes() for file in (path.iterdir() if path.is_dir() else [path]))
    assert all(secret.encode() in source for secret in SECRETS)
    series = open_dicom(path)
    series.read(slice(None))
    write(series, tmp_path / "out", "denoised", scan.frames, format, times_s=scan.times_s)
    write(series, tmp_path / "out", "cbf", scan.frames[0], format, units="mL/100 g/min")
    write(series, tmp_path / "out", "core", (scan.frames[0] > 30).astype(np.float32), format, units="1")
    written = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    # Dates, and the numbers that lead back to the hospital's archive, are as good as a name.
    image = dcmread(next(path.iterdir()) if path.is_dir() else path)
    uids = [image[tag].value for tag in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")]
    for secret in (*SECRETS, *uids, str(image.SOPInstanceUID)):
        assert secret.encode() not in written
        assert secret not in f"{series!r} {vars(series)} {[str(warning.message) for warning in recwarn]} {caplog.text}"
    if format != "nifti":
        image = dcmread(next(path for path in (tmp_path / "out").rglob("*.dcm") if "cbf" in str(path)))
        assert (str(image.PatientName), image.PatientIdentityRemoved) == ("Anonymous^Scan", "YES")
        assert not [element for element in image if element.tag.is_private]
