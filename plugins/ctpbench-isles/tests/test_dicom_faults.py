"""Faults of a DICOM folder: what is left out and said, and what ends in one line; neither names a patient."""

import re

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.pixels.decoders import JPEG2000LosslessDecoder
from pydicom.uid import MPEG2MPML, JPEG2000Lossless, RLELossless, generate_uid

from ctpbench import DataError, Stated
from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import SECRETS, encode_jpeg_lossless, time_text, write_enhanced, write_series


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


def test_a_missing_file_is_a_gap(scan, tmp_path):
    series = open_dicom(write_series(tmp_path, scan.frames, scan.times_s, change=without((3, 1))))
    assert np.argwhere(series.missing).tolist() == [[3, 1]]
    np.testing.assert_allclose(series.frame_times_s, np.repeat(scan.times_s[:, None], 4, axis=1), atol=1e-6)
    read = series.read(slice(None))
    assert (read[3, 1] == -1000).all()
    read[3, 1] = scan.frames[3, 1]
    np.testing.assert_array_equal(read, scan.frames)


@pytest.mark.parametrize("places", [[(4, 3)], [(0, 0)], [(2, 3)], [(0, 0), (1, 0)], [(1, 0), (1, 2)]])
def test_missing_files_are_no_shuttle(scan, tmp_path, places):
    series = open_dicom(write_series(tmp_path, scan.frames, scan.times_s, change=without(*places)))
    assert sorted(map(tuple, np.argwhere(series.missing).tolist())) == places


def test_more_missing_files_than_a_tenth_are_named_by_place_and_time(scan, tmp_path):
    text = fault(write_series(tmp_path, scan.frames, scan.times_s, change=without((3, 1), (3, 2), (3, 3))))
    assert "got 17 images of 20 (4 slices x 5 frames); allowed: all but 10%" in text
    assert "(-80, -95.5, 17.25) mm" in text
    assert "has 4, none near 6 s" in text


def test_a_hole_in_a_shuttle_is_found(scan, tmp_path):
    times_s = scan.times_s[:, None] + [0.0, 0.0, 1.0, 1.0]
    hole = open_dicom(write_series(tmp_path / "a", scan.frames, times_s, change=without((1, 2), (1, 3))))
    assert np.argwhere(hole.missing).tolist() == [[1, 2], [1, 3]]
    np.testing.assert_allclose(hole.frame_times_s, times_s, atol=1e-6)
    short = write_series(tmp_path / "b", scan.frames, times_s, change=lambda image, t, z: z < 2 or t < 3)
    assert "allowed: all but 10%" in fault(short)


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
    assert "(--frame-interval)" in text


@pytest.mark.parametrize("interval_s", [0.0, -1.0, np.nan, np.inf])
def test_an_interval_must_be_a_time(scan, tmp_path, interval_s):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    with pytest.raises(DataError, match="frame_interval_s: got"):
        open_dicom(folder, Stated(frame_interval_s=interval_s))


def test_without_anything_that_orders_frames_no_interval_helps(scan, tmp_path):
    def strip(image, t, z):
        image.AcquisitionTime = image.ContentTime = image.InstanceNumber = image.AcquisitionNumber = None

    folder = write_series(tmp_path, scan.frames, scan.times_s, change=strip)
    with pytest.raises(
        DataError, match="got no time stamp and no number that differs between the frames of each slice; allowed: "
    ):
        open_dicom(folder, Stated(frame_interval_s=1.0))


def test_the_series_in_time_is_taken_and_the_rest_named(scan, tmp_path):
    write_series(tmp_path / "perfusion", scan.frames, scan.times_s)
    write_series(tmp_path / "head", scan.frames[:1], scan.times_s[:1], SeriesNumber=3)
    series = open_dicom(tmp_path)
    assert series.shape == (5, 4, 12, 10)
    assert series.notes == ("left out: series 3 (4 images)",)


def test_several_series_in_time_are_listed(scan, tmp_path):
    write_series(tmp_path / "soft", scan.frames, scan.times_s)
    write_series(tmp_path / "sharp", scan.frames[:4], scan.times_s[:4], SeriesNumber=8, ConvolutionKernel="H60s")
    text = fault(tmp_path)
    assert "got 2 DICOM series with frames in time; allowed: one; say which by its number (--series)" in text
    assert "series 7: 20 images, such as soft/IM0" in text
    assert "series 8: 16 images, such as sharp/IM0" in text
    assert open_dicom(tmp_path, Stated(series="8")).shape[0] == 4
    uid = dcmread(next((tmp_path / "soft").iterdir())).SeriesInstanceUID
    assert open_dicom(tmp_path, Stated(series=uid.split(".")[-1])).shape[0] == 5
    with pytest.raises(DataError, match="series 9: got 0 of this number or UID; allowed: series 7: 20 images"):
        open_dicom(tmp_path, Stated(series="9"))


def test_a_series_for_each_frame_is_one_scan(scan, tmp_path):
    uids = [generate_uid() for _ in range(5)]

    def own(image, t, z):
        image.SeriesInstanceUID, image.SeriesNumber = uids[t], 100 + t

    write_series(tmp_path / "frames", scan.frames, scan.times_s, change=own)
    write_series(tmp_path / "scout", scan.frames[:1, :1, :6], scan.times_s[:1], SeriesNumber=1)
    series = open_dicom(tmp_path)
    np.testing.assert_array_equal(series.read(slice(None)), scan.frames)
    assert series.notes[0].startswith("joined: 5 DICOM series of one geometry")
    assert series.notes[1:] == ("left out: series 1 (1 image)",)


def test_series_that_make_no_scan_are_listed(scan, tmp_path):
    for number in (1, 2):
        write_series(tmp_path / str(number), scan.frames[:1], scan.times_s[:1], SeriesNumber=number)
    assert "got 2 DICOM series, none with 3 images or more of each slice; allowed: one" in fault(tmp_path)


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


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("ImagePositionPatient", None, "got no ImagePositionPatient; allowed: "),
        ("RescaleSlope", None, "got no RescaleSlope; allowed: "),
        ("RescaleSlope", 0, "got RescaleSlope 0, which makes all pixels equal; export"),
    ],
)
def test_one_image_without_its_place_or_scale_is_left_out_and_more_are_refused(scan, tmp_path, tag, value, words):
    def alter(image, t, z):
        if (t, z) in places:
            setattr(image, tag, value)

    places = {(2, 1)}
    series = open_dicom(write_series(tmp_path / "one", scan.frames, scan.times_s, change=alter))
    assert np.argwhere(series.missing).tolist() == [[2, 1]]
    assert next(iter(series.unread.values())).startswith(words)
    assert series.notes == ("unread: 1 files that cannot be read are left out",)
    places = {(2, 0), (2, 1), (2, 2)}
    assert words in fault(write_series(tmp_path / "more", scan.frames, scan.times_s, change=alter))


@pytest.mark.parametrize("uids", ["same", "new"])
def test_images_that_are_there_twice_are_dropped_and_said(scan, tmp_path, uids):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    for file in sorted(folder.iterdir())[:7]:
        image = dcmread(file)
        if uids == "new":
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            image.InstanceNumber += 1000
        image.save_as(file.with_name(f"again_{file.name}"))
    series = open_dicom(folder)
    np.testing.assert_array_equal(series.read(slice(None)), scan.frames)
    assert series.notes == ("left out: 7 images that are there twice, to the last pixel",)


def test_another_image_of_the_same_place_and_time_is_no_double(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    image = dcmread(folder / "IM00004")
    image.PixelData = image.PixelData[::-1]
    image.save_as(folder / "copy")
    assert f"{folder / 'copy'}: got another image of the place and time of {folder / 'IM00004'}" in fault(folder)


@pytest.mark.parametrize("along", [1, 2])
def test_coronal_and_sagittal_slices_are_turned(scan, tmp_path, along):
    frames = np.moveaxis(scan.frames, along + 1, 1)  # (time, slice, y, x) as stored: slices along y or x
    axes = {1: [1, 0, 0, 0, 0, -1], 2: [0, 1, 0, 0, 0, -1]}[along]
    step = {1: (0, 9, 0), 2: (8.5, 0, 0)}[along]

    def turn(image, t, z):
        pixels = np.flip(frames[t, z], 0) + 1024  # rows run from the head down
        image.Rows, image.Columns = pixels.shape
        image.PixelSpacing = [5.0, 8.5 if along == 1 else 9.0]
        image.ImageOrientationPatient = axes
        image.ImagePositionPatient = [n + z * d for n, d in zip((-80, -95.5, 27.25), step, strict=True)]
        image.PixelData = pixels.astype("<u2").tobytes()

    times_s = np.repeat(scan.times_s[:, None], frames.shape[1], axis=1)
    series = open_dicom(write_series(tmp_path / "one", frames, times_s, change=turn))
    assert series.shape == scan.frames.shape
    assert series.spacing_mm == pytest.approx((5.0, 9.0, 8.5))
    assert series.formats == ("nifti",)
    np.testing.assert_array_equal(series.read(slice(None)), scan.frames)
    np.testing.assert_array_equal(series.read(slice(1, 3)), scan.frames[:, 1:3])
    times_s = times_s + 0.1 * np.arange(frames.shape[1])
    text = fault(write_series(tmp_path / "late", frames, times_s, change=turn))
    assert "got coronal or sagittal slices taken one after the other; allowed: axial slices" in text


def left_out(folder) -> dict[str, str]:
    """Return the names of the files that a scan goes without, and why, of a scan that is read all the same."""
    series = open_dicom(folder)
    assert int(series.missing.sum()) == len(series.unread)
    assert series.notes == (f"unread: {len(series.unread)} files that cannot be read are left out",)
    texts = {path.name: why for path, why in series.unread.items()}
    assert not [secret for secret in SECRETS if secret in str(texts)]
    return texts


@pytest.mark.parametrize("size", [0, 100, 140, 300, 900, -1, -200])
def test_a_truncated_file_is_left_out_and_three_are_refused(scan, tmp_path, size):
    folder = write_series(tmp_path, scan.frames, scan.times_s, suffix=".dcm")
    files = [folder / f"IM{n:05d}.dcm" for n in (6, 7, 8)]
    files[0].write_bytes(files[0].read_bytes()[:size])
    assert list(left_out(folder)) == ["IM00006.dcm"]
    for file in files[1:]:
        file.write_bytes(file.read_bytes()[:size])
    text = fault(folder)
    assert f"got 3 of 20 files that cannot be read (allowed: up to 10%), such as {files[0]}: " in text


def compress(syntax):
    return lambda image: image.compress(syntax, generate_instance_uid=False)


@pytest.mark.parametrize("encode", [compress(RLELossless), encode_jpeg_lossless], ids=["RLE", "JPEG lossless"])
@pytest.mark.parametrize("lost", [-12, -60, -160])
def test_a_truncated_compressed_file_is_named(scan, tmp_path, encode, lost):
    folder = write_series(tmp_path, scan.frames, scan.times_s, BitsStored=16, HighBit=15, encode=encode)
    file = folder / "IM00006"
    file.write_bytes(file.read_bytes()[:lost])
    assert re.search(r"got \d+ bytes too few of its pixels; cut short", left_out(folder)["IM00006"])


def spoil(file) -> None:
    """Make compressed pixels that no decoder takes."""
    content = file.read_bytes()
    start = content.rindex(b"\xfe\xff\x00\xe0") + 8
    file.write_bytes(content[:start] + b"\xff" * 64 + content[start + 64 :])


def test_damaged_compressed_pixels_are_left_out_when_read_and_three_are_refused(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s, BitsStored=16, HighBit=15, encode=compress(RLELossless))
    spoil(folder / "IM00006")
    series = open_dicom(folder)
    assert series.unread == {}
    lost = (series.read(slice(None)) != scan.frames).any(axis=(2, 3))
    assert lost.sum() == 1
    assert "pixels cannot be read" in series.unread[folder / "IM00006"]
    for name in ("IM00007", "IM00008"):
        spoil(folder / name)
    assert "pixels cannot be read" in fault(folder, read=True)


def test_a_truncated_enhanced_file_is_named(scan, tmp_path):
    path = write_enhanced(tmp_path / "scan.dcm", scan.frames, scan.times_s)
    path.write_bytes(path.read_bytes()[:-7])
    assert f"{path}: got 7 bytes too few of its pixels; cut short" in fault(path)


def test_a_damaged_header_is_named_and_not_quoted(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    file = folder / "IM00002"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"9.0\\8.5 ", b"DOE\\JANE", 1))
    assert left_out(folder) == {"IM00002": "PixelSpacing cannot be read; export the series again"}


def test_decimal_commas_are_read(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"9.0\\8.5", b"9,0\\8,5", 1))
    assert open_dicom(folder).spacing_mm == pytest.approx((5.0, 9.0, 8.5))


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("suffix", ["", ".dcm"])
def test_files_without_a_preamble_are_read(scan, tmp_path, implicit, suffix):
    folder = write_series(tmp_path, scan.frames, scan.times_s, suffix=suffix)
    for file in folder.iterdir():
        image = dcmread(file)
        del image.file_meta
        dcmwrite(file, image, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(open_dicom(folder).read(slice(None)), scan.frames)


def test_links_are_followed_and_circles_and_dead_ends_are_not_fatal(scan, tmp_path):
    store = write_series(tmp_path / "store", scan.frames, scan.times_s)
    folder = tmp_path / "scan"
    (folder / "half").mkdir(parents=True)
    for n, file in enumerate(sorted(store.iterdir())):
        if n % 2:
            file.rename(folder / "half" / file.name)
    (folder / "linked").symlink_to(store, target_is_directory=True)
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "IM99999").symlink_to(tmp_path / "nowhere")
    series = open_dicom(folder)
    np.testing.assert_array_equal(series.read(slice(None)), scan.frames)
    assert series.unread == {folder / "IM99999": "a link that leads nowhere"}


def test_times_of_reconstruction_are_refused_or_said_aloud(scan, tmp_path):
    def made(image, t, z):
        image.AcquisitionTime = ""
        image.ContentTime = time_text(36000 + 0.5 * (4 * t + z) * pace(t))

    pace = lambda t: 1.0  # noqa: E731
    text = fault(write_series(tmp_path / "one by one", scan.frames, scan.times_s, change=made))
    assert "got ContentTime alone, which rises by 0.5 s from image to image as images were made" in text
    stated = open_dicom(tmp_path / "one by one", Stated(frame_interval_s=2.0))
    np.testing.assert_allclose(stated.frame_times_s[:, 0], scan.times_s)

    def at_once(image, t, z):
        image.AcquisitionTime, image.ContentTime = "", time_text(36000 + 3 * t + 4 * (t > 2))

    series = open_dicom(write_series(tmp_path / "at once", scan.frames, scan.times_s, change=at_once))
    (note,) = series.notes
    assert note.startswith(
        "times are from ContentTime, when images were made and not when they were taken: frames 3 to 7"
    )
    assert "gaps of 7 s after frame 3" in note


@pytest.mark.parametrize("table_s", [0.0, 0.35], ids=["at once", "slice by slice"])
def test_a_time_that_all_others_contradict_is_said(scan, tmp_path, table_s):
    def stray(image, t, z):
        if (t, z) == (3, 2):
            image.AcquisitionTime = time_text(36000 + times_s[t, z] + 0.5)

    times_s = scan.times_s[:, None] + table_s * np.arange(scan.frames.shape[1])
    assert open_dicom(write_series(tmp_path / "sound", scan.frames, times_s)).notes == ()
    (note,) = open_dicom(write_series(tmp_path / "stray", scan.frames, times_s, change=stray)).notes
    assert note.startswith("times: 1 of ")
    assert "slice 3 of frame 4, 0.5 s off what all others say; taken as they are" in note


def test_times_that_are_rounded_or_those_of_a_moving_table_are_none_that_stray(scan, tmp_path):
    def rounded(image, t, z):
        image.AcquisitionTime = time_text(36000 + round(shuttle_s[t, z], 1))

    there, back = np.arange(scan.frames.shape[1]), np.arange(scan.frames.shape[1])[::-1]
    shuttle_s = np.array([time_s + 0.31 * (back if t % 2 else there) for t, time_s in enumerate(scan.times_s)])
    assert open_dicom(write_series(tmp_path / "exact", scan.frames, shuttle_s)).notes == ()
    assert open_dicom(write_series(tmp_path / "rounded", scan.frames, shuttle_s, change=rounded)).notes == ()


@pytest.mark.parametrize("text", ["100001-500000", "10000l.5", "106100", "250000", "1000 01"])
def test_a_time_that_is_none_is_refused_by_its_tag(scan, tmp_path, text):
    def damage(image, t, z):
        if t == 1:
            image["AcquisitionTime"]._value = text

    folder = write_series(tmp_path, scan.frames, scan.times_s, change=damage)
    assert "AcquisitionTime" in fault(folder)
    assert text not in fault(folder)


def test_bits_that_contradict_each_other_are_refused(scan, tmp_path):
    cut = write_series(tmp_path / "cut", scan.frames, scan.times_s, BitsStored=10)
    assert "got HighBit 11 of BitsStored 10; allowed: one less" in fault(cut)
    whole = open_dicom(write_series(tmp_path / "whole", scan.frames, scan.times_s, BitsStored=16))
    np.testing.assert_allclose(whole.read(slice(None)), scan.frames, atol=0.5)


def test_an_interval_that_all_headers_name_is_taken_and_said(scan, tmp_path):
    def strip(image, t, z):
        image.AcquisitionTime, image.ContentTime, image.TemporalResolution = "", "", 1500

    series = open_dicom(write_series(tmp_path, scan.frames, scan.times_s, change=strip))
    assert series.frame_times_s[-1, 0] == 6.0
    assert series.facts == {"times_from": "TemporalResolution"}
    assert series.notes[0].startswith("times: frames taken as 1.5 s apart, which TemporalResolution says")


def test_a_file_that_only_its_name_calls_dicom_is_named(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    (folder / "x.dcm").write_text("text")
    series = open_dicom(folder)
    assert not series.missing.any()
    assert series.unread[folder / "x.dcm"].startswith("got no DICOM header; allowed: DICOM files")


def test_files_that_vanished_are_named(scan, tmp_path):
    folder = write_series(tmp_path, scan.frames, scan.times_s)
    series = open_dicom(folder)
    for n in (3, 4, 5):
        (folder / f"IM{n:05d}").unlink()
    with pytest.raises(DataError, match=r"IM0000[345]: pixels cannot be read"):
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
