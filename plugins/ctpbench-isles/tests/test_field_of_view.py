"""Lengths in DICOM headers that make no head are refused or said, whichever tag they are in."""

import pytest

from ctpbench import DataError
from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import SPACING_MM, write_series


@pytest.fixture(scope="module")
def scan():
    return head_series(slices=3, rows=16, columns=14, frames=4)


def opened(scan, folder, **how):
    return open_dicom(write_series(folder, scan.frames, scan.times_s, **how))


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(0.1, ", as if it were in cm"), (0.001, ", as if it were in m"), (1000, ", as if it were in um")],
)
def test_pixels_in_another_unit_are_refused(scan, tmp_path, factor, unit):
    spacing_mm = (SPACING_MM[0], *(factor * size for size in SPACING_MM[1:]))
    with pytest.raises(DataError) as caught:
        opened(scan, tmp_path, spacing_mm=spacing_mm)
    text = str(caught.value)
    across = sorted([3 * spacing_mm[0], 16 * spacing_mm[1], 14 * spacing_mm[2]])[1]
    assert f"got PixelSpacing {spacing_mm[1]:g}\\{spacing_mm[2]:g}{unit}: a field of view {across:.3g} mm" in text
    assert "allowed: 80 to 700 mm, as of a head; correct it in the files" in text


@pytest.mark.parametrize("spacing_mm", [(5.0, 0.0, 0.0), (5.0, 9.0, 0.0)])
def test_pixels_without_a_size_are_refused(scan, tmp_path, spacing_mm):
    with pytest.raises(DataError, match=r"got PixelSpacing .*0; allowed: two sizes above 0 mm"):
        opened(scan, tmp_path, spacing_mm=spacing_mm)


def test_the_detectors_spacing_is_not_that_of_the_image(scan, tmp_path):
    def detector(image, t, z):
        image.ImagerPixelSpacing = image.PixelSpacing
        del image.PixelSpacing

    with pytest.raises(DataError, match="got no PixelSpacing, which ImagerPixelSpacing does not replace; allowed: CT"):
        opened(scan, tmp_path, change=detector)


def test_slices_in_another_unit_are_refused_or_said(scan, tmp_path):
    def raise_slices(step_mm):
        def change(image, t, z):
            image.ImagePositionPatient = [*image.ImagePositionPatient[:2], step_mm * z]

        return change

    with pytest.raises(DataError, match=r"got by ImagePositionPatient, slices of 5000 mm; allowed: 0\.2 to 50 mm"):
        opened(scan, tmp_path / "um", change=raise_slices(5000.0))
    series = opened(scan, tmp_path / "cm", change=raise_slices(0.5))
    assert series.notes == (
        "voxel size: slices are 5 mm thick by SliceThickness and 0.5 mm apart by ImagePositionPatient, as if one of "
        "them were not in mm; the distance is used",
    )


@pytest.mark.parametrize("thickness_mm", [5000.0, 0.05])
def test_the_thickness_of_the_only_slice_must_be_one(tmp_path, thickness_mm):
    scan = head_series(slices=1, rows=16, columns=14, frames=4)
    with pytest.raises(DataError, match=rf"got by SliceThickness, a slice of {thickness_mm:g} mm; allowed: 0.2 to 50"):
        opened(scan, tmp_path, SliceThickness=thickness_mm)


def test_a_swap_that_makes_a_square_of_the_field_of_view_is_said(tmp_path):
    scan = head_series(slices=2, rows=20, columns=25, frames=4)
    right, swapped = (10.0, 8.0), (8.0, 10.0)
    assert opened(scan, tmp_path / "right", spacing_mm=(5.0, *right)).notes == ()
    (note,) = opened(scan, tmp_path / "swapped", spacing_mm=(5.0, *swapped)).notes
    assert note.startswith("voxel size: PixelSpacing 8\\10 makes a field of view of 160 x 250 mm, and a square one if")


def test_a_sound_scan_is_not_doubted(scan, tmp_path):
    assert opened(scan, tmp_path).notes == ()
