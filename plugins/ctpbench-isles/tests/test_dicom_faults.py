"""Each fault of a DICOM folder ends in one line that names the file or what is missing, and no patient."""

import re

import numpy as np
import pytest
from pydicom.pixels.decoders import JPEG2000LosslessDecoder
from pydicom.uid import MPEG2MPML, JPEG2000Lossless, RLELossless, generate_uid

from ctpbench import DataError
from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import SECRETS, encode_jpeg_lossless, write_enhanced, write_series


@pytest.fixture(scope="module")
def scan():
    """Four slices of a head, five frames at 2 s: 20 files."""
    return head_series(slices=4, rows=12, columns=10, frames=5, interval_s=2.0)


def fault(path, *, read=False) -> str:
    """Return the message of the DataError, which is one line and tells nothing about the patient."""
    series = open_dicom(path) if read else None
    with pytest.raises(DataError) as caught:
        open_dicom(path) if series is None else series.read(slice(None))
    text = str(caught.value)
    assert "\n" not in text
    assert not [secret for secret in SECRETS if secret in text]
    return text


def without(*places):
    return lambda image, t, z: (t, z) not in places


def test_a_missing_file_is_named_by_its_place_and_time(scan, tmp_path):
    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=without((3, 1))))
    assert "got 19 images of 20 (4 slices x 5 frames)" in text
    assert "(-80, -95.5, 17.25) mm" in text
    assert "has 4, none near 6 s" in text


@pytest.mark.parametrize("places", [[(4, 3)], [(0, 0)], [(2, 3)], [(0, 0), (1, 0)], [(1, 0), (1, 2)]])
def test_missing_files_are_no_shuttle(scan, tmp_path, places):
    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=without(*places)))
    assert f"got {20 - len(places)} images of 20 (4 slices x 5 frames); allowed: all of them" in text


def test_a_hole_in_a_shuttle_is_found(scan, tmp_path):
    times_s = scan.times_s[:, None] + [0.0, 0.0, 1.0, 1.0]
    holes = {"a": without((1, 2), (1, 3)), "b": lambda image, t, z: z < 2 or t < 3}
    for name, change in holes.items():
        assert "allowed: all of them" in fault(write_series(tmp_path / name, scan.frames, times_s, change=change))


def test_two_injections_are_not_one_scan(scan, tmp_path):
    text = fault(write_series(tmp_path, scan.frames, scan.times_s[:, None] + [0.0, 0.0, 300.0, 300.0]))
    assert "got slices 2 and 3 of frame 1 too far apart in time; allowed: " in text


def test_a_lost_slice_makes_distances_uneven(scan, tmp_path):
    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=lambda image, t, z: z != 1))
    assert "got slices 5 to 10 mm apart; allowed: even distances" in text


def test_slightly_uneven_positions_are_accepted(scan, tmp_path):
    def shift(image, t, z):
        x, y, height = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, round(float(height) + 0.04 * (z == 1), 2)]

    np.testing.assert_array_equal(
        open_dicom(write_series(tmp_path, scan.frames, scan.times_s, change=shift)).read(slice(None)), scan.frames
    )


def test_one_frame_is_no_perfusion_series(scan, tmp_path):
    text = fault(write_series(tmp_path, scan.frames[:1], scan.times_s[:1]))
    assert "got 4 slices with 1 images each; allowed: " in text


@pytest.mark.parametrize("times", ["equal", "none"])
def test_without_times_the_interval_must_be_given(scan, tmp_path, times):
    def strip(image, t, z):
        image.AcquisitionTime = image.ContentTime = "101010.0" if times == "equal" else None

    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=strip))
    assert "got no time stamp that differs between frames; allowed: one of AcquisitionDateTime, " in text
    assert "give frame_interval_s" in text


@pytest.mark.parametrize("interval_s", [0.0, -1.0, np.nan, np.inf])
def test_an_interval_must_be_a_time(scan, tmp_path, interval_s):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    with pytest.raises(DataError, match="frame_interval_s: got"):
        open_dicom(folder, interval_s)


def test_without_anything_that_orders_frames_no_interval_helps(scan, tmp_path):
    def strip(image, t, z):
        image.AcquisitionTime = image.ContentTime = image.InstanceNumber = image.AcquisitionNumber = None

    folder = write_series(tmp_path, scan.frames, scan.times_s, change=strip)
    with pytest.raises(
        DataError, match="got no time stamp and no number that differs between the frames of each slice; allowed: "
    ):
        open_dicom(folder, 1.0)


def test_several_series_are_listed(scan, tmp_path):
    write_series(tmp_path / "perfusion", scan.frames, scan.times_s)
    write_series(tmp_path / "head", scan.frames[:1], scan.times_s[:1], SeriesNumber=3)
    text = fault(tmp_path)
    assert "got 2 DICOM series; allowed: one; give one series' folder" in text
    assert "series 7: 20 images, such as perfusion/IM0" in text
    assert "series 3: 4 images, such as head/IM0" in text
    assert open_dicom(tmp_path / "perfusion").shape == (5, 4, 12, 10)


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("ConvolutionKernel", "H60s", "reconstruction kernels H20f (19 images), H60s (1 images)"),
        ("PixelSpacing", [0.6, 0.6], "different PixelSpacing; allowed: one"),
        (
            "ImageOrientationPatient",
            [0.98, 0.199, 0, -0.199, 0.98, 0],
            "different ImageOrientationPatient; allowed: one",
        ),
        ("ImagePositionPatient", [-70, -95.5, 17.25], "got an image aside of the others of its slice; allowed: one"),
        ("ImagePositionPatient", None, "got no ImagePositionPatient; allowed: "),
        ("RescaleSlope", None, "got no RescaleSlope; allowed: "),
        ("Modality", "MR", "got an image that is no CT with one value a pixel; allowed: "),
        ("SamplesPerPixel", 3, "got an image that is no CT with one value a pixel; allowed: "),
    ],
)
def test_images_must_agree(scan, tmp_path, tag, value, words):
    def alter(image, t, z):
        if (t, z) == (2, 1):
            setattr(image, tag, value)
            if tag == "SamplesPerPixel":
                image.PixelData = image.PixelData * 3

    assert words in fault(write_series(tmp_path, scan.frames, scan.times_s, change=alter))


def test_images_must_be_of_one_size(scan, tmp_path):
    def halve(image, t, z):
        if (t, z) == (2, 1):
            image.Rows, image.PixelData = 6, image.PixelData[: 6 * 10 * 2]

    assert "12x10 (19 images), 6x10 (1 images)" in fault(
        write_series(tmp_path, scan.frames, scan.times_s, change=halve)
    )


def test_an_image_twice_is_named(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    (folder / "copy").write_bytes((folder / "IM00004").read_bytes())
    text = fault(folder)
    assert f"{folder / 'copy'}: got the same image as {folder / 'IM00004'}; allowed: each once" in text


def test_coronal_slices_are_refused(scan, tmp_path):
    def turn(image, t, z):
        image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 0, -1], [0, 5 * z, 0]

    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=turn))
    assert "got coronal or sagittal slices; allowed: axial slices" in text


@pytest.mark.parametrize("size", [100, 140, 300, 900, -1, -200])
def test_a_truncated_file_is_named(scan, tmp_path, size):
    folder = write_series(tmp_path, scan.frames, scan.times_s, suffix=".dcm")
    file = folder / "IM00006.dcm"
    file.write_bytes(file.read_bytes()[:size])
    assert str(file) in fault(folder)


def compress(syntax):
    return lambda image: image.compress(syntax, generate_instance_uid=False)


@pytest.mark.parametrize("encode", [compress(RLELossless), encode_jpeg_lossless], ids=["RLE", "JPEG lossless"])
@pytest.mark.parametrize("lost", [-12, -60, -160])
def test_a_truncated_compressed_file_is_named(scan, tmp_path, encode, lost):
    folder = write_series(tmp_path, scan.frames, scan.times_s, BitsStored=16, HighBit=15, encode=encode)
    file = folder / "IM00006"
    file.write_bytes(file.read_bytes()[:lost])
    assert re.search(rf"{file}: got \d+ bytes too few of its pixels; cut short", fault(folder))


def test_damaged_compressed_pixels_are_named_when_read(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s, BitsStored=16, HighBit=15, encode=compress(RLELossless))
    file = folder / "IM00006"
    content = file.read_bytes()
    start = content.rindex(b"\xfe\xff\x00\xe0") + 8
    file.write_bytes(content[:start] + b"\xff" * 64 + content[start + 64 :])
    assert f"{file}: pixels cannot be read" in fault(folder, read=True)


def test_a_truncated_enhanced_file_is_named(scan, tmp_path):
    path = write_enhanced(tmp_path / "scan.dcm", scan.frames, scan.times_s)
    path.write_bytes(path.read_bytes()[:-7])
    assert f"{path}: got 7 bytes too few of its pixels; cut short" in fault(path)


def test_a_damaged_header_is_named_and_not_quoted(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    file = folder / "IM00002"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"0.75\\0.5", b"DOE\\JANE", 1))
    assert f"{file}: DICOM header cannot be read (ValueError)" in fault(folder)


def test_a_file_that_only_its_name_calls_dicom_is_named(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    (folder / "x.dcm").write_text("text")
    assert f"{folder / 'x.dcm'}: got no DICOM header; allowed: DICOM files" in fault(folder)


def test_a_file_that_vanished_is_named(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    series = open_dicom(folder)
    (folder / "IM00003").unlink()
    with pytest.raises(DataError, match="IM00003"):
        series.read(slice(None))


def test_a_missing_decoder_tells_what_to_install(scan, tmp_path, monkeypatch):
    def claim(image, t, z):
        image.file_meta.TransferSyntaxUID = JPEG2000Lossless
        image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
        image.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\0\0\0\0"

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    needed = ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.0")
    monkeypatch.setattr(JPEG2000LosslessDecoder, "_unavailable", {"pylibjpeg": needed})
    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=claim))
    assert "JPEG 2000" in text
    assert "pylibjpeg - requires pylibjpeg>=2.0 and pylibjpeg-openjpeg>=2.0" in text


def test_a_format_nobody_decodes_is_refused(scan, tmp_path):
    def claim(image, t, z):
        image.file_meta.TransferSyntaxUID = MPEG2MPML
        image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
        image.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\0\0\0\0"

    assert "cannot be read; convert" in fault(write_series(tmp_path, scan.frames, scan.times_s, change=claim))


def test_reports_beside_the_images_are_left_out(scan, tmp_path):
    def report(image, t, z):
        if (t, z) == (0, 0):
            return
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
        image.Modality, image.SeriesInstanceUID = "SR", generate_uid()
        for tag in ("Rows", "Columns", "PixelData"):
            delattr(image, tag)

    write_series(tmp_path / "images", scan.frames, scan.times_s)
    write_series(
        tmp_path / "reports", scan.frames, scan.times_s, change=lambda image, t, z: report(image, 1, z) or t == 0
    )
    assert open_dicom(tmp_path).shape == (5, 4, 12, 10)
