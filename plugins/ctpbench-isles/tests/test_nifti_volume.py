"""What is written lies where the scan lies, is complete or not there, and tells nothing of the patient."""

from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_isles.nifti import NiftiSeries
from ctpbench_isles.nifti_volume import NiftiVolume
from ctpbench_isles.orientation import Grid

from .nifti_files import ORIENTATIONS, grid_of, write_scan

EIGHT = [ORIENTATIONS[n] for n in np.random.default_rng(1).choice(48, 8, replace=False)]
SECRET = "DOE^JANE"


@pytest.fixture
def named(head, tmp_path):
    """A scan whose header names a patient wherever it can."""
    path = write_scan(tmp_path / "scan.nii", head.frames, head.spacing_mm, codes=("L", "A", "S"), interval=1.5)
    image = nib.load(path)
    for field in ("descrip", "db_name", "intent_name", "aux_file"):
        image.header[field] = SECRET.encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", f"patient {SECRET}".encode()))
    named = tmp_path / "named.nii"
    nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header).to_filename(named)
    assert named.read_bytes().count(SECRET.encode()) == 5
    return NiftiSeries(named)


@pytest.mark.parametrize("codes", EIGHT, ids="".join)
@pytest.mark.parametrize("steps", [(0, 1, 2, 3), (0, 3), (2, 3, 0, 2)])
def test_a_series_put_in_slabs_of_any_order_reads_as_it_was(tmp_path, codes, steps):
    frames = np.random.default_rng(0).normal(0, 100, (4, 3, 6, 5)).astype(np.float32)
    scan = write_scan(tmp_path / "scan.nii", frames, (5.0, 0.5, 0.75), codes=codes, interval=2.0, dtype=np.float32)
    series = NiftiSeries(scan)
    with series.create(tmp_path, "denoised", "nifti", times_s=np.arange(4) * 2.0, units="HU") as volume:
        for first, last in pairwise(steps):
            if first < last:
                volume.put(first, frames[:, first:last])
    back = NiftiSeries(tmp_path / "denoised.nii")
    assert np.array_equal(back.read(slice(None)), frames)
    assert np.array_equal(back.frame_times_s, series.frame_times_s)
    assert np.array_equal(back.grid.affine, series.grid.affine)


def test_a_map_has_the_scans_geometry_and_its_units(named, head, tmp_path):
    values = head.frames[3] / 7
    with named.create(tmp_path, "cbf", "nifti", times_s=None, units="mL/100 g/min") as volume:
        volume.put(0, values[:1])
        volume.put(1, values[1:])
    written, source = nib.load(tmp_path / "cbf.nii"), nib.load(named.path)
    assert written.shape == source.shape[:3]
    assert written.header.get_data_dtype() == np.float32
    assert bytes(written.header["descrip"]).rstrip(b"\0") == b"cbf, mL/100 g/min"
    assert written.header.get_xyzt_units() == ("mm", "sec")
    for form in ("get_sform", "get_qform"):
        matrix, code = getattr(written.header, form)(coded=True)
        expected, expected_code = getattr(source.header, form)(coded=True)
        assert code == expected_code
        assert (matrix is None) == (expected is None)
        assert matrix is None or np.array_equal(matrix, expected)
    assert np.array_equal(written.header["pixdim"][:4], source.header["pixdim"][:4])
    assert np.array_equal(np.asarray(written.dataobj), named.grid.to_stored(values))


def test_the_header_holds_the_frames_interval(named, tmp_path):
    with named.create(tmp_path, "denoised", "nifti", times_s=3 + np.arange(24) * 1.5, units="HU") as volume:
        volume.put(0, named.read(slice(None)))
    header = nib.load(tmp_path / "denoised.nii").header
    assert (header["pixdim"][4], header["toffset"]) == (1.5, 3.0)


def test_nothing_tells_who_the_patient_is(named, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name, times_s in (("denoised", np.arange(24) * 1.5), ("cbf", None)):
        with named.create(folder, name, "nifti", times_s=times_s, units="HU") as volume:
            volume.put(0, named.read(slice(None)) if times_s is not None else named.read(slice(None))[0])
    written = sorted(folder.iterdir())
    assert [path.name for path in written] == ["cbf.nii", "denoised.nii"]
    for path in written:
        assert b"DOE" not in path.read_bytes()
        assert b"JANE" not in path.read_bytes()


def test_what_is_not_finished_is_not_there(named, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    volume = named.create(folder, "cbf", "nifti", times_s=None, units="HU")
    volume.put(0, named.read(slice(0, 1))[0])
    assert not (folder / "cbf.nii").exists()
    with pytest.raises(ValueError, match="put: got float32 of shape"), volume:
        volume.put(2, named.read(slice(0, 1))[0])
    assert list(folder.iterdir()) == []


def test_an_older_result_stays_until_the_new_one_is_complete(named, tmp_path):
    values = named.read(slice(None))[0]
    for factor in (1, 2):
        with named.create(tmp_path, "cbf", "nifti", times_s=None, units="HU") as volume:
            volume.put(0, values * factor)
            assert (tmp_path / "cbf.nii").exists() == (factor == 2)
    assert np.array_equal(nib.load(tmp_path / "cbf.nii").dataobj, named.grid.to_stored(values * 2))


@pytest.mark.parametrize(("first", "shape"), [(0, (2, 48, 43)), (1, (2, 48, 44)), (-1, (1, 48, 44))])
def test_values_that_do_not_fit_are_refused(named, tmp_path, first, shape):
    create = named.create(tmp_path, "cbf", "nifti", times_s=None, units="HU")
    with pytest.raises(ValueError, match="put: got float32 of shape"), create as volume:
        volume.put(first, np.zeros(shape, np.float32))


def test_a_folder_that_is_not_there_and_another_format_are_named(named, tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path}/none/cbf.nii: cannot be written"):
        named.create(tmp_path / "none", "cbf", "nifti", times_s=None, units="HU")
    with pytest.raises(DataError, match=rf"{named.path}: cannot be written as dicom; allowed: nifti"):
        named.create(tmp_path, "cbf", "dicom", times_s=None, units="HU")


def test_without_a_header_to_follow_the_grids_affine_is_written(tmp_path):
    grid = grid_of(("L", "P", "S"), (2, 3, 4), (5.0, 0.5, 0.75))
    with NiftiVolume(tmp_path, "cbf", grid, times_s=None, units="HU") as volume:
        volume.put(0, np.zeros((2, 3, 4), np.float32))
    header = nib.load(tmp_path / "cbf.nii").header
    np.testing.assert_allclose(header.get_sform(), grid.affine)
    np.testing.assert_allclose(header.get_qform(), grid.affine, atol=1e-5)


ROTATED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
SHEARED = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.3346], [0.0, 0.0, 0.9483]])  # a gantry tilted by 18.5 degrees
FLIPPED = np.diag([-1.0, 1.0, 1.0])
LYING = {
    "plain": (np.eye(3), 1),
    "flipped": (FLIPPED, 1),
    "rotated": (ROTATED, 1),
    "rotated and flipped": (ROTATED @ FLIPPED, 1),
    "sheared": (SHEARED, 0),
    "sheared and flipped": (FLIPPED @ SHEARED, 0),
    "rotated and sheared": (ROTATED @ SHEARED, 0),
}


@pytest.mark.parametrize(("axes", "qform_code"), LYING.values(), ids=LYING)
@pytest.mark.parametrize("followed", [False, True], ids=["made", "followed"])
def test_every_form_that_a_viewer_may_use_tells_the_same_place(tmp_path, axes, qform_code, followed):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * (0.5, 0.75, 5.0), (-80.0, 95.0, 12.0)
    grid, like = Grid(affine, (4, 3, 20)), nib.Nifti1Header()
    like.set_sform(affine, code=1)
    like.set_qform(affine, code=1)  # which nibabel writes without the shear
    with NiftiVolume(tmp_path, "cbf", grid, times_s=None, units="HU", like=like if followed else None) as volume:
        volume.put(0, np.zeros(grid.canonical_shape, np.float32))
    header = nib.load(tmp_path / "cbf.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, qform_code)
    np.testing.assert_allclose(header.get_sform(), affine, atol=1e-5)
    if qform_code:
        np.testing.assert_allclose(header.get_qform(), affine, atol=1e-4)


def test_a_qform_of_another_space_is_kept(tmp_path):
    """A matrix to a template may be sheared; the scanner's own place beside it is no approximation of that."""
    like, template = nib.Nifti1Header(), np.eye(4)
    template[:3, :3] = SHEARED
    like.set_sform(template, code="mni")
    like.set_qform(np.eye(4), code="scanner")
    with NiftiVolume(tmp_path, "cbf", Grid(template, (2, 2, 2)), times_s=None, units="HU", like=like) as volume:
        volume.put(0, np.zeros((2, 2, 2), np.float32))
    header = nib.load(tmp_path / "cbf.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 1)


def test_a_volume_that_lacks_a_slice_is_not_there(named, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with (
        pytest.raises(ValueError, match="finish: got 1 of 2 slices, none at index 0"),
        named.create(folder, "cbf", "nifti", times_s=None, units="HU") as volume,
    ):
        volume.put(1, named.read(slice(1, 2))[0])
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_nothing(named, tmp_path):
    class FullDisk:
        """Fails as a buffered file does: at the write, and again when it is closed."""

        def seek(self, place):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

        def close(self):
            self.write(b"")

    folder = tmp_path / "out"
    folder.mkdir()
    volume = named.create(folder, "cbf", "nifti", times_s=None, units="HU")
    volume._file.close()
    volume._file = FullDisk()
    with pytest.raises(DataError, match=rf"{folder}/cbf\.nii: cannot be written \(No space left on device\)$"), volume:
        volume.put(0, named.read(slice(None))[0])
    assert list(folder.iterdir()) == []
