"""What NIfTI files hold comes out the same whatever their form; faults are one line that names the file."""

import gzip
import json
import re
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from ctpbench import DataError, Stated
from ctpbench_isles.nifti import NiftiSeries
from ctpbench_isles.nifti_image import NiftiImage

from .nifti_files import DICOM_ORDER, ORIENTATIONS, write_scan

EIGHT = [ORIENTATIONS[n] for n in np.random.default_rng(0).choice(48, 8, replace=False)]


@pytest.fixture
def write(head, tmp_path):
    def write(name="scan.nii", **options):
        return write_scan(tmp_path / name, options.pop("frames", head.frames), head.spacing_mm, **options)

    return write


@pytest.mark.parametrize("codes", EIGHT, ids="".join)
def test_any_orientation_reads_the_same_frames(write, head, codes):
    series = NiftiSeries(write(codes=codes))
    assert series.shape == head.frames.shape
    np.testing.assert_allclose(series.spacing_mm, head.spacing_mm, rtol=1e-6)
    assert np.array_equal(series.read(slice(None)), head.frames)
    assert np.array_equal(series.read(slice(1, 2)), head.frames[:, 1:2])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_any_type_and_compression(write, head, dtype, name):
    raised = {"frames": head.frames + 1024} if dtype == np.uint16 else {}
    series = NiftiSeries(write(name, dtype=dtype, **raised))
    frames = series.read(slice(None))
    assert frames.dtype == np.float32
    assert frames.flags.c_contiguous
    assert np.array_equal(frames, raised.get("frames", head.frames))
    assert np.array_equal(series.read(slice(0, 1)), frames[:, :1])


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.1, -1000.0), (2.0, 0.0)])
def test_slope_and_intercept(write, head, slope, intercept):
    frames = NiftiSeries(write(slope=slope, intercept=intercept)).read(slice(None))
    np.testing.assert_allclose(frames, head.frames, atol=slope)


def test_other_byte_order_and_version(write, head):
    for options in ({"version": 2}, {"big_endian": True}, {"big_endian": True, "dtype": np.float32, "version": 2}):
        assert np.array_equal(NiftiSeries(write(**options)).read(slice(None)), head.frames)


@pytest.mark.parametrize("ones", ["x y z 1 t", "x y z t 1", "x y z 1 1 t"])
def test_axes_of_length_one(write, head, ones):
    time, depth, rows, columns = head.frames.shape
    sizes = {"x": columns, "y": rows, "z": depth, "t": time, "1": 1}
    series = NiftiSeries(write(shape=tuple(sizes[name] for name in ones.split())))
    assert np.array_equal(series.read(slice(None)), head.frames)


def test_one_slice(write, head):
    assert np.array_equal(NiftiSeries(write(frames=head.frames[:, :1])).read(slice(None)), head.frames[:, :1])


def test_padding_and_nan_become_air(write, head):
    frames = head.frames.copy()
    frames[:, :, 1] = -1024
    frames[:, :, 0] = -3024
    frames[:, :, :, 0] = np.nan
    got = NiftiSeries(write(frames=frames, dtype=np.float32)).read(slice(None))
    assert (got[:, :, 0] == -1000).all()
    assert (got[:, :, :, 0] == -1000).all()
    assert (got[:, :, 1, 1:] == -1024).all()
    assert np.array_equal(got[:, :, 2:, 1:], head.frames[:, :, 2:, 1:])


@pytest.mark.parametrize(
    ("interval", "units", "seconds"),
    [
        (1.0, "sec", 1.0),
        (1500.0, "msec", 1.5),
        (2e6, "usec", 2.0),
        (1000.0, "sec", 1.0),
        (1500.0, "unknown", 1.5),
        (500.0, "sec", 0.5),
        (5000.0, "unknown", 5.0),
    ],
)
def test_time_between_frames(write, interval, units, seconds):
    series = NiftiSeries(write(interval=interval, units=units))
    np.testing.assert_allclose(series.frame_times_s, np.arange(24)[:, None] * np.full(2, seconds), rtol=1e-6)


def test_time_between_frames_of_a_file_with_time_as_fifth_axis(write, head):
    time, depth, rows, columns = head.frames.shape
    path = write(shape=(columns, rows, depth, 1, time), interval=0.0)
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    header["pixdim"][5] = 1.7
    path.write_bytes(header.binaryblock + data[348:])
    assert NiftiSeries(path).frame_times_s[1, 0] == pytest.approx(1.7)


def test_what_the_user_says_of_time_goes_before_the_file_and_the_file_before_what_is_usual(write):
    path = write(interval=2.0)
    assert NiftiSeries(path, Stated(frame_interval_s=1.25)).frame_times_s[1, 0] == 1.25
    assert NiftiSeries(path, known_interval_s=1.0).frame_times_s[1, 0] == 2.0
    assert NiftiSeries(write(interval=0.0), known_interval_s=1.0).frame_times_s[1, 0] == 1.0
    assert NiftiSeries(write(interval=2.0, units="unknown"), known_unit="sec").frame_times_s[1, 0] == 2.0


@pytest.mark.parametrize("interval", [1.0, 2.5])
def test_a_unit_that_the_header_leaves_open_is_asked_for(write, interval):
    path = write(interval=interval, units="unknown")
    with pytest.raises(DataError, match=r"between frames \(pixdim\[4\]\) and no unit of time.*\(--frame-interval\)"):
        NiftiSeries(path)
    assert NiftiSeries(path, Stated(frame_interval_s=2.0)).frame_times_s[1, 0] == 2.0


@pytest.mark.parametrize("field", ["VolumeTiming", "FrameTimesStart"])
def test_the_json_beside_a_file_dates_its_frames(write, field):
    path = write(interval=1.0)
    times_s = [5.0 + n + (n > 20) * (n - 20) for n in range(24)]
    path.with_name("scan.json").write_text(json.dumps({"Modality": "CT", field: times_s}))
    series = NiftiSeries(path)
    np.testing.assert_allclose(series.frame_times_s[:, 1], np.array(times_s) - 5)
    assert series.facts == {"times_from": f"{field} of the JSON file beside it"}
    stated = Stated(frame_times_s=tuple(2.0 * n for n in range(24)))
    assert NiftiSeries(path, stated).frame_times_s[-1, 0] == 46


def test_the_json_beside_a_file_may_name_the_interval(write):
    path = write(interval=1.0, units="unknown")
    path.with_name("scan.json").write_text('{"RepetitionTime": 1.5}')
    assert NiftiSeries(path).frame_times_s[-1, 0] == 34.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "scan.json: cannot be read"),
        ('{"VolumeTiming": [0, 1]}', "VolumeTiming: got 2 values for 24 frames; allowed: a rising time"),
        ('{"VolumeTiming": 3}', "VolumeTiming: got int for 24 frames"),
        ('{"FrameTimesStart": [' + ", ".join(["0"] * 24) + "]}", "FrameTimesStart: got 24 values for 24 frames"),
        ('{"RepetitionTime": "1"}', "RepetitionTime: got '1'; allowed: seconds"),
        ('{"RepetitionTime": 0}', "RepetitionTime: got 0; allowed: seconds"),
    ],
)
def test_a_json_that_does_not_fit_is_named(write, text, says):
    path = write()
    path.with_name("scan.json").write_text(text)
    with pytest.raises(DataError, match=re.escape(says)):
        NiftiSeries(path)


def test_a_json_without_times_changes_nothing(write):
    path = write(interval=2.0)
    for text in ('{"Modality": "CT"}', "[1, 2]"):
        path.with_name("scan.json").write_text(text)
        assert NiftiSeries(path).frame_times_s[1, 0] == 2.0


@pytest.mark.parametrize(("stated", "says"), [((0.0, 1.0), "got 2 times for 24 frames"), ((1.0,) * 24, "got 24 times")])
def test_stated_times_must_fit(write, stated, says):
    with pytest.raises(DataError, match=says):
        NiftiSeries(write(), Stated(frame_times_s=stated))


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "meter"), (1e3, "micron"), (1e-3, "mm"), (1.0, "meter")])
def test_lengths_that_no_head_has_are_doubted(write, head, factor, unit):
    path = write()
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    for row in ("srow_x", "srow_y", "srow_z"):
        header[row] *= factor
    header["pixdim"][1:4] *= factor
    header.set_xyzt_units(unit, "sec")
    path.write_bytes(header.binaryblock + data[348:])
    series = NiftiSeries(path)
    assert series.spacing_mm == pytest.approx(head.spacing_mm, rel=1e-5)
    right = {"meter": 1e-3, "micron": 1e3, "mm": 1.0}[unit] == factor
    assert [note.split(":")[0] for note in series.notes] == ([] if right else ["voxel size"])


def test_a_pair_of_files_is_read(write, head, tmp_path):
    image = nib.load(write())
    pair = nib.Nifti1Pair(np.asarray(image.dataobj), image.affine, image.header)
    pair.to_filename(tmp_path / "pair.hdr")
    for name in ("pair.hdr", "pair.img"):
        np.testing.assert_array_equal(NiftiSeries(tmp_path / name).read(slice(None)), head.frames)
    (tmp_path / "pair.img").unlink()
    with pytest.raises(DataError, match=r"pair\.hdr: got no pair\.img beside it; allowed: both"):
        NiftiSeries(tmp_path / "pair.hdr")


def test_analyze_is_refused(tmp_path):
    nib.AnalyzeImage(np.zeros((4, 4, 2, 5), np.int16), np.eye(4)).to_filename(tmp_path / "old.hdr")
    with pytest.raises(DataError, match="got an Analyze header, which does not tell left from right; allowed: NIfTI"):
        NiftiSeries(tmp_path / "old.img")


@pytest.mark.parametrize("codes", [DICOM_ORDER, ("S", "L", "P")], ids="".join)
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_slab_is_read_without_the_rest(tmp_path, name, codes):
    frames = np.zeros((30, 40, 64, 64), np.float32)  # 19.7 MB
    path = write_scan(tmp_path / name, frames, (1.0, 1.0, 1.0), codes=codes, dtype=np.float32)
    tracemalloc.start()
    try:
        NiftiSeries(path).read(slice(3, 5))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < frames.nbytes / 3  # unpacking has buffers of 5 MB


FAULTS = {
    "missing": (None, "no such file"),
    "empty": (b"", "got no NIfTI header; allowed: a NIfTI file, .nii or .nii.gz"),
    "text": (b"case,frames\n" * 100, "got no NIfTI header"),
    "gzip": (b"\x1f\x8b" + b"\x00" * 400, "got a broken or cut-off gzip file; copy it again"),
}


@pytest.mark.parametrize(("data", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_nifti_is_refused(tmp_path, data, says):
    path = tmp_path / "scan.nii"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=rf"{path}: .*{says}"):
        NiftiSeries(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path}: cannot be read"):
        NiftiSeries(tmp_path)


def test_a_cut_off_file_is_refused(write):
    path = write()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{path}: got \d+ bytes of \d+ by its header; cut off, copy it again"):
        NiftiSeries(path)


@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_cut_off_gzip_file_is_refused_when_read(write, share):
    path = write("scan.nii.gz")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=rf"{path}: got a broken or cut-off gzip file; copy it again"):
        NiftiSeries(path).read(slice(0, 1))


def test_a_gzip_file_whose_checksum_is_wrong_is_refused_when_read(write):
    path = write("scan.nii.gz")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"got a broken or cut-off gzip file; copy it again"):
        NiftiSeries(path).read(slice(0, 1))


def test_a_gzip_file_that_claims_more_than_the_disk_holds_is_refused(write):
    path = write("scan.nii.gz")
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[42:50] = np.array([30000, 30000, 300, 100], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(DataError, match=r"GiB unpacked, by its header; there are .* set TMPDIR to a folder"):
        NiftiSeries(path)


def test_what_follows_the_image_in_a_gzip_file_is_not_unpacked(write):
    path = write("scan.nii.gz")
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole + bytes(20 * 2**20)))
    image = NiftiImage(path)
    with image.opened() as file:
        assert file.seek(0, 2) == len(whole)


def test_a_gzip_file_of_a_cut_off_scan_is_refused_when_read(write):
    path = write("scan.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-2]))
    with pytest.raises(DataError, match=rf"{path}: got \d+ bytes of \d+ by its header; cut off"):
        NiftiSeries(path).read(slice(0, 1))


@pytest.mark.parametrize(
    ("field", "value"), [("datatype", 9999), ("vox_offset", np.nan), ("scl_inter", np.inf), ("pixdim", 0), ("dim", -4)]
)
def test_a_header_that_cannot_be_is_refused(write, field, value):
    path = write()
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    if field == "pixdim":  # without sform and qform the voxel sizes are all that is left
        header["sform_code"] = header["qform_code"] = 0
        header["pixdim"][1:4] = value
    elif field == "dim":
        header["dim"][3] = value
    else:
        header[field] = value
    path.write_bytes(header.binaryblock + data[348:])
    with pytest.raises(
        DataError, match=rf"{path}: got (a faulty NIfTI header .*; allowed: NIfTI 1 or 2|an image of shape .*; allowed)"
    ):
        NiftiSeries(path)


def test_voxel_sizes_that_some_programs_write_are_taken(write, head, capfd):
    path = write(codes=("L", "P", "S"))
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    header.set_qform(header.get_best_affine(), code=1)
    assert header["pixdim"][0] == 1
    header["sform_code"] = header["pixdim"][0] = 0
    header["pixdim"][2] *= -1
    path.write_bytes(header.binaryblock + data[348:])
    series = NiftiSeries(path)
    assert np.array_equal(series.read(slice(None)), head.frames)
    np.testing.assert_allclose(series.spacing_mm, head.spacing_mm, rtol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_vanishes_is_named(write):
    path = write()
    series = NiftiSeries(path)
    path.unlink()
    with pytest.raises(DataError, match=rf"{path}: cannot be read"):
        series.read(slice(0, 1))


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_frames_are_refused(write, head, count):
    path = write(frames=head.frames[:count])
    with pytest.raises(DataError, match=rf"{path}: got {count} frames; allowed: 3 or more"):
        NiftiSeries(path)


def test_a_3d_image_is_refused(tmp_path):
    path = tmp_path / "ncct.nii"
    nib.Nifti1Image(np.zeros((4, 5, 2), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(
        DataError, match=rf"{path}: got a 3-D image of shape \(4, 5, 2\); allowed: 4-D \(x, y, z, time\)"
    ):
        NiftiSeries(path)


def test_two_more_axes_and_other_types_are_refused(tmp_path):
    path = tmp_path / "scan.nii"
    nib.Nifti1Image(np.zeros((4, 4, 2, 3, 5), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(DataError, match=rf"{path}: got an image of shape \(4, 4, 2, 3, 5\); allowed: 4-D"):
        NiftiSeries(path)
    nib.Nifti1Image(np.zeros((4, 4, 2, 5), np.complex64), np.eye(4)).to_filename(path)
    with pytest.raises(DataError, match=rf"{path}: got values of type complex64; allowed: whole numbers and floats"):
        NiftiSeries(path)


def test_a_header_beside_its_values_is_refused(tmp_path):
    path = tmp_path / "scan.hdr"
    nib.Nifti1Pair(np.zeros((4, 4, 2, 5), np.int16), np.eye(4)).to_filename(path)
    path = path.rename(tmp_path / "scan.nii")
    with pytest.raises(DataError, match=rf"{path}: got a header without its values; allowed: both in one .nii file"):
        NiftiSeries(path)


@pytest.mark.parametrize(
    ("interval", "units", "given", "says"),
    [
        (0.0, "sec", None, r"got no time between frames \(pixdim\[4\] is 0\); allowed: 0.1 to 30 s; give frame"),
        (np.nan, "sec", None, "got no time between frames"),
        (1.0, "msec", None, "got 0.001 s between frames; allowed: 0.1 to 30 s; give frame_interval_s"),
        (100.0, "sec", None, "got 100 s between frames; allowed: 0.1 to 30 s; give frame_interval_s"),
        (1.0, "sec", 0.01, "got 0.01 s between frames"),
    ],
)
def test_a_time_between_frames_that_cannot_be_is_refused(write, interval, units, given, says):
    path = write(interval=interval, units=units)
    with pytest.raises(DataError, match=rf"{path}: {says}"):
        NiftiSeries(path, Stated(frame_interval_s=given))


def test_infinite_values_are_refused(write, head):
    frames = head.frames.copy()
    frames[3, 1, 2, 2] = np.inf
    path = write(frames=frames, dtype=np.float32)
    with pytest.raises(DataError, match=rf"{path}: got infinite values in frame 4; allowed: HU"):
        NiftiSeries(path).read(slice(None))


def test_of_the_affines_one_that_can_be_inverted_is_taken(write, head):
    path = write(codes=("L", "A", "S"))
    data = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    affine = header.get_best_affine()
    header.set_qform(affine, code=1)
    header["srow_x"] = header["srow_y"] = header["srow_z"] = 0
    path.write_bytes(header.binaryblock + data[348:])
    assert np.array_equal(NiftiSeries(path).read(slice(None)), head.frames)
