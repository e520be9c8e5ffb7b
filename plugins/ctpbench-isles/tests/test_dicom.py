"""Series as scanners write them come back as they were, to the last HU."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from ctpbench import Stated
from ctpbench_isles.dicom import DicomSeries, open_dicom

from .conftest import head_series
from .dicom_files import ORIGIN_MM, SPACING_MM, encode_jpeg_lossless, write_enhanced, write_series

WHOLE = slice(None)


@pytest.fixture(scope="module")
def scan():
    """Three slices of a head, six frames at 1.5 s: 18 files."""
    return head_series(slices=3, rows=16, columns=14, frames=6, interval_s=1.5)


def opened(path, frame_interval_s=None) -> DicomSeries:
    series = open_dicom(path, Stated(frame_interval_s=frame_interval_s))
    assert series is not None
    return series


def test_siemens_ima_files_come_back_whole(scan, tmp_path):
    folder = write_series(tmp_path / "a" / "b", scan.frames, scan.times_s, suffix=".IMA")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (folder / "notes.txt").write_text("nothing")
    (folder / "._IM00001.dcm").write_text("what a Mac leaves behind")
    series = opened(tmp_path)
    assert series.shape == scan.frames.shape
    assert series.spacing_mm == pytest.approx(SPACING_MM)
    np.testing.assert_allclose(series.frame_times_s, np.repeat(scan.times_s[:, None], 3, axis=1), atol=1e-6)
    frames = series.read(WHOLE)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, scan.frames)
    assert series.facts == {"times_from": "AcquisitionTime"}
    assert series.notes == ()


def test_slabs_are_parts_of_the_whole(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames, scan.times_s))
    for slab in (slice(0, 1), slice(1, 3), slice(2, 3), slice(-1, None), slice(1, 1)):
        np.testing.assert_array_equal(series.read(slab), scan.frames[:, slab])


def test_only_the_slabs_files_are_read(scan, tmp_path):
    heights = {}

    def note(image, t, z):
        heights[str(image.SOPInstanceUID)] = z

    series = opened(write_series(tmp_path, scan.frames, scan.times_s, change=note))
    for file in tmp_path.iterdir():
        if heights[dcmread(file, stop_before_pixels=True).SOPInstanceUID] != 2:
            file.unlink()
    np.testing.assert_array_equal(series.read(slice(2, 3)), scan.frames[:, 2:])


@pytest.mark.parametrize("flip", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("transpose", [False, True])
def test_a_patient_may_lie_any_way(scan, tmp_path, flip, transpose):
    times_s = scan.times_s[:, None] + [0.0, 0.1, 0.3]
    series = opened(write_series(tmp_path, scan.frames, times_s, flip=flip, transpose=transpose, seed=4))
    assert series.spacing_mm == pytest.approx(SPACING_MM)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)
    np.testing.assert_array_equal(series.read(slice(0, 2)), scan.frames[:, :2])
    np.testing.assert_allclose(series.frame_times_s, times_s, atol=1e-6)


def test_the_affine_says_where_each_voxel_lies(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames, scan.times_s, flip=(True, False)))
    assert np.linalg.det(series.affine[:3, :3]) != 0
    column, row, k = 2, 5, 0  # columns run to the right and rows to the back, so the normal points to the feet
    x, y, z = scan.frames.shape[3] - 1 - column, row, 2 - k
    left, back, head = np.array(ORIGIN_MM) + np.array((x, y, z)) * SPACING_MM[::-1]
    np.testing.assert_allclose(series.affine @ (column, row, k, 1), (-left, -back, head, 1))


def test_ge_padding_becomes_air(scan, tmp_path):
    frames = scan.frames.copy()
    frames[:, :, 0, :3], frames[:, :, 1, :3], frames[:, :, 2, :3] = -3024, -2000, -1700

    def pad(image, t, z):
        image.add_new(0x00280120, "US", 65536 - 900)  # the sign is the pixels', not the tag's: -900 to -700
        image.add_new(0x00280121, "US", 65536 - 700)

    folder = write_series(
        tmp_path,
        frames,
        scan.times_s,
        change=pad,
        PixelRepresentation=1,
        BitsStored=16,
        HighBit=15,
        RescaleIntercept=-1000,
    )
    read = opened(folder).read(WHOLE)
    assert (read[:, :, :3, :3] == -1000).all()
    frames[:, :, :3, :3] = -1000
    np.testing.assert_array_equal(read, frames)


def test_tissue_is_never_taken_for_padding(scan, tmp_path):
    frames = scan.frames.copy()
    frames[:, :, 5, 5] = 0
    folder = write_series(tmp_path, frames, scan.times_s, PixelPaddingValue=1024)
    np.testing.assert_array_equal(opened(folder).read(WHOLE), frames)


def test_slope_and_intercept_are_each_files_own(scan, tmp_path):
    def rescale(image, t, z):
        image.RescaleSlope, image.RescaleIntercept = 0.1, -1000 - t
        pixels = np.rint((scan.frames[t, z] + 1000 + t) / 0.1)
        image.BitsStored, image.HighBit, image.PixelData = 16, 15, pixels.astype("<u2").tobytes()

    read = opened(write_series(tmp_path, scan.frames, scan.times_s, change=rescale)).read(WHOLE)
    np.testing.assert_allclose(read, scan.frames, atol=1e-3)


def test_bits_above_the_stored_ones_are_ignored(scan, tmp_path):
    def soil(image, t, z):
        image.PixelData = (np.frombuffer(image.PixelData, "<u2") | 0xA000).astype("<u2").tobytes()

    np.testing.assert_array_equal(
        opened(write_series(tmp_path, scan.frames, scan.times_s, change=soil)).read(WHOLE), scan.frames
    )


def test_a_scan_may_run_past_midnight(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames, scan.times_s, begin_s=86396.0))
    np.testing.assert_allclose(series.frame_times_s[:, 0], scan.times_s, atol=1e-6)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)


def test_a_shuttle_keeps_the_times_of_each_slice(scan, tmp_path):
    there_and_back = np.where(np.arange(6)[:, None] % 2, [0.0, 0.5, 1.0], [1.0, 0.5, 0.0]) + scan.times_s[:, None]
    series = opened(write_series(tmp_path, scan.frames, there_and_back))
    np.testing.assert_allclose(series.frame_times_s, there_and_back, atol=1e-6)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)


@pytest.mark.parametrize("fuller", [0, 2])
def test_a_shuttle_may_stop_once_more_at_one_position(scan, tmp_path, fuller):
    first = 0.0 if fuller == 0 else 0.75
    times_s = scan.times_s[:, None] + [first, first, 0.75 - first]
    folder = write_series(tmp_path, scan.frames, times_s, change=lambda image, t, z: t < 5 or (z < 2) == (fuller == 0))
    series = opened(folder)
    assert series.shape[0] == 5
    np.testing.assert_allclose(series.frame_times_s, times_s[:5], atol=1e-6)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames[:5])


def test_table_positions_that_overlap_are_joined(tmp_path):
    scan = head_series(slices=6, rows=16, columns=14, frames=6, interval_s=3.0)
    lower, upper = slice(0, 4), slice(2, 6)  # slices 3 and 4 are seen from both
    write_series(tmp_path / "a", scan.frames[:, lower], scan.times_s)
    uid = dcmread(next((tmp_path / "a").iterdir())).SeriesInstanceUID

    def raise_table(image, t, z):
        x, y, height = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, float(height) + 2 * SPACING_MM[0]]

    write_series(tmp_path / "b", scan.frames[:, upper], scan.times_s + 1.5, change=raise_table, SeriesInstanceUID=uid)
    series = opened(tmp_path)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)
    np.testing.assert_allclose(series.frame_times_s, scan.times_s[:, None] + [0, 0, 0, 0, 1.5, 1.5], atol=1e-6)
    assert series.notes == (
        "overlap: slices 3-4 along the series were taken at both table positions; the first's are used",
    )


@pytest.mark.parametrize("own", [False, True], ids=["one intercept", "an intercept a frame"])
def test_an_image_of_another_scale_is_said(scan, tmp_path, own):
    def other(image, t, z):
        image.RescaleIntercept = -1024 - t * own
        if (t, z) == (2, 1):
            image.RescaleSlope = 1.02

    (note,) = opened(write_series(tmp_path, scan.frames, scan.times_s, change=other)).notes
    assert note == "scale: 1 of 18 images have another RescaleSlope than the rest"


def test_an_image_of_another_intercept_is_said(scan, tmp_path):
    def other(image, t, z):
        if (t, z) == (2, 1):
            image.RescaleIntercept = -1014

    assert opened(write_series(tmp_path, scan.frames, scan.times_s, change=other)).notes == (
        "scale: 1 of 18 images have another RescaleSlope or RescaleIntercept than the rest",
    )


def test_times_are_from_the_first_tag_that_tells_frames_apart(scan, tmp_path):
    def philips(image, t, z):
        image.AcquisitionTime = "100000"

    def canon(image, t, z):
        image.AcquisitionTime = image.ContentTime = "100000"
        image.TriggerTime = 1000 * scan.times_s[t] + 40

    def siemens(image, t, z):
        image.AcquisitionDateTime = f"19990314{100000 + 2 * t}.5"

    for name, change, tag, interval_s in (
        ("philips", philips, "ContentTime", 1.5),
        ("canon", canon, "TriggerTime", 1.5),
        ("siemens", siemens, "AcquisitionDateTime", 2.0),
    ):
        series = opened(write_series(tmp_path / name, scan.frames, scan.times_s, change=change))
        assert series.facts == {"times_from": tag}
        assert bool(series.notes) == (tag == "ContentTime")
        np.testing.assert_allclose(series.frame_times_s[:, 1], np.arange(6) * interval_s, atol=1e-6)


@pytest.mark.parametrize("counter", ["TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber"])
def test_frames_without_times_need_an_interval(scan, tmp_path, counter):
    def strip(image, t, z):
        number = image.InstanceNumber
        for tag in ("AcquisitionTime", "ContentTime", "AcquisitionNumber", "InstanceNumber"):
            delattr(image, tag)
        setattr(image, counter, number if counter == "InstanceNumber" else t + 1)

    series = opened(write_series(tmp_path, scan.frames, scan.times_s, change=strip), 2.5)
    np.testing.assert_allclose(series.frame_times_s, np.repeat(2.5 * np.arange(6)[:, None], 3, axis=1))
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)


def test_the_users_interval_goes_before_the_files(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames, scan.times_s), 1.0)
    np.testing.assert_allclose(series.frame_times_s[:, 0], np.arange(6))
    assert series.facts == {"times_from": "stated by the user"}
    assert series.notes == ("times: 1 s between frames stated; AcquisitionTime says 1.5 s",)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)


def test_a_tilted_gantry_is_accepted(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames, scan.times_s, tilt=1.5))
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)
    assert series.spacing_mm[0] == pytest.approx(np.hypot(5.0, 1.5))


def test_one_slice_takes_its_size_from_its_thickness(scan, tmp_path):
    series = opened(write_series(tmp_path, scan.frames[:, :1], scan.times_s))
    assert series.shape == (6, 1, 16, 14)
    assert series.spacing_mm == pytest.approx(SPACING_MM)


@pytest.mark.parametrize("dated", [True, False])
def test_an_enhanced_file_comes_back_whole(scan, tmp_path, dated):
    path = write_enhanced(tmp_path / "scan.dcm", scan.frames, scan.times_s, dated=dated)
    series = opened(path, None if dated else 1.5)
    np.testing.assert_allclose(series.frame_times_s, np.repeat(scan.times_s[:, None], 3, axis=1), atol=1e-6)
    np.testing.assert_array_equal(series.read(WHOLE), scan.frames)
    np.testing.assert_array_equal(opened(tmp_path, 1.5).read(slice(1, 2)), scan.frames[:, 1:2])


def compress(syntax):
    def encode(image: Dataset):
        image.compress(syntax, generate_instance_uid=False)

    return encode


@pytest.mark.parametrize(
    "encode",
    [compress(RLELossless), compress(JPEG2000Lossless), encode_jpeg_lossless],
    ids=["RLE", "JPEG 2000", "JPEG lossless"],
)
@pytest.mark.parametrize("signed", [0, 1])
def test_compressed_pixels_come_back_whole(tmp_path, encode, signed):
    scan = head_series(slices=2, rows=40, columns=36, frames=3)  # JPEG 2000 takes no image much smaller
    folder = write_series(
        tmp_path,
        scan.frames,
        scan.times_s,
        encode=encode,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=signed,
        RescaleIntercept=-1024 * (1 - signed),
    )
    np.testing.assert_array_equal(opened(folder).read(WHOLE), scan.frames)


def test_no_dicom_is_no_series(tmp_path):
    (tmp_path / "scan.nii").write_bytes(b"\0" * 400)
    (tmp_path / "report.txt").write_text("text")
    assert open_dicom(tmp_path) is None
    assert open_dicom(tmp_path / "scan.nii") is None
    assert open_dicom(tmp_path / "nowhere") is None
