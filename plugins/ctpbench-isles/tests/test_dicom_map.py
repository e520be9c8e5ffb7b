"""Parametric maps and segmentations: what they hold, where it lies, what it is called, and of whom they say nothing."""

import itertools

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import ParametricMapStorage, SegmentationStorage

from ctpbench import QUANTITIES, DataError
from ctpbench_isles.dicom import open_dicom

from .conftest import head_series
from .dicom_files import ORIGIN_MM, SPACING_MM, write_series

MEASURED = ("cbf", "cbv", "mtt", "ttp", "ttp_arrival", "tmax")
MASKS = ("core", "penumbra")


@pytest.fixture(scope="module")
def scan():
    """Three slices of a head, four frames."""
    return head_series(slices=3, rows=16, columns=14, frames=4)


@pytest.fixture
def series(scan, tmp_path):
    return open_dicom(write_series(tmp_path / "scan", scan.frames, scan.times_s))


def write(series, folder, name, values):
    """Write slices one by one, the last first, and return the object."""
    folder.mkdir(exist_ok=True)
    with series.create(folder, name, "dicom-pm", times_s=None, units=QUANTITIES[name].units) as volume:
        for first in reversed(range(len(values))):
            volume.put(first, values[first : first + 1])
    return dcmread(folder / f"{name}.dcm")


def code_of(item):
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def placed(image, pixels):
    """Yield (place in the patient, value) of some pixels, by what the object alone says of them."""
    shared = image.SharedFunctionalGroupsSequence[0]
    along, down = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    row_mm, column_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    for group, frame in zip(image.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        for row, column in itertools.product(range(0, frame.shape[0], 5), range(0, frame.shape[1], 3)):
            yield corner + along * column_mm * column + down * row_mm * row, frame[row, column]


@pytest.mark.parametrize("tilt", [0.0, 1.5])
@pytest.mark.parametrize(("flip", "transpose"), [((False, False), False), ((True, False), False), ((True, True), True)])
@pytest.mark.parametrize("name", ["cbf", "core"])
def test_every_value_lies_where_it_was_measured(scan, tmp_path, name, flip, transpose, tilt):
    source = write_series(tmp_path / "scan", scan.frames, scan.times_s, flip=flip, transpose=transpose, tilt=tilt)
    values = np.arange(3 * 16 * 14, dtype=np.float32).reshape(3, 16, 14) / 7 - 5
    values = values if name == "cbf" else (values % 3 > 1).astype(np.float32)
    image = write(open_dicom(source), tmp_path / "out", name, values)
    found = list(placed(image, image.pixel_array))
    assert len(found) > 50
    for place, value in found:
        z = round((place[2] - ORIGIN_MM[2]) / SPACING_MM[0])
        steps = (place - ORIGIN_MM - (0, tilt * z, 0)) / SPACING_MM[::-1]
        x, y, _ = np.rint(steps).astype(int)
        np.testing.assert_allclose(steps, (x, y, z), atol=1e-4)
        assert value == values[z, y, x]


@pytest.mark.parametrize("name", MEASURED)
def test_a_map_says_what_it_is_and_in_which_units(series, scan, tmp_path, name):
    image = write(series, tmp_path / "out", name, scan.frames[0])
    assert image.SOPClassUID == ParametricMapStorage
    assert "FloatPixelData" in image
    mapping = image.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    quantity, method = mapping.QuantityDefinitionSequence
    assert code_of(quantity.ConceptCodeSequence[0]) == QUANTITIES[name].dicom
    assert code_of(quantity.ConceptNameCodeSequence[0])[0] == codes.SCT.Quantity.value
    assert code_of(method.ConceptCodeSequence[0])[:2] == ("126301", "DCM")
    assert code_of(mapping.MeasurementUnitsCodeSequence[0]) == QUANTITIES[name].ucum
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.DoubleFloatRealWorldValueFirstValueMapped == scan.frames[0].min()
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == scan.frames[0].max()
    assert image.ContentQualification == "RESEARCH"


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_a_segment_whose_thresholds_are_told(series, tmp_path, name):
    values = np.zeros((3, 16, 14), np.float32)
    values[1, 2:5, 3] = 1
    image = write(series, tmp_path / "out", name, values)
    assert (image.SOPClassUID, image.SegmentationType) == (SegmentationStorage, "BINARY")
    (segment,) = image.SegmentSequence
    assert code_of(segment.SegmentedPropertyTypeCodeSequence[0]) == QUANTITIES[name].dicom
    assert code_of(segment.SegmentedPropertyCategoryCodeSequence[0]) == QUANTITIES[name].category
    assert {"core": "CBF below 0.3 times", "penumbra": "Tmax above 6 s"}[name] in segment.SegmentDescription
    assert image.pixel_array.sum() == 3


@pytest.mark.parametrize("name", ["tmax", "penumbra"])
def test_a_map_of_nothing_is_written(series, tmp_path, name):
    assert not write(series, tmp_path / "out", name, np.zeros((3, 16, 14), np.float32)).pixel_array.any()


def test_a_single_slice_is_written(scan, tmp_path):
    series = open_dicom(write_series(tmp_path / "scan", scan.frames[:, :1], scan.times_s))
    image = write(series, tmp_path / "out", "cbf", scan.frames[0, :1])
    np.testing.assert_array_equal(image.pixel_array.reshape(16, 14), scan.frames[0, 0])


def test_what_the_library_adds_does_not_date_the_scan_or_point_to_images_that_are_not_there(series, scan, tmp_path):
    for name in ("cbf", "core"):
        image = write(series, tmp_path / "out", name, scan.frames[0])
        assert (image.ContentDate, image.ContentTime) == ("19700101", "000000")
        found = [element for element in image.iterall() if element.VR in ("DA", "DT", "TM") and element.value]
        assert {element.keyword for element in found} == {"ContentDate", "ContentTime"}
        assert not [element for element in image.iterall() if element.keyword == "ReferencedSOPInstanceUID"]
        assert not [element for element in image.iterall() if element.tag.is_private]


def test_maps_of_both_kinds_are_of_one_study(series, scan, tmp_path):
    computed = write(series, tmp_path / "out", "cbf", scan.frames[0])
    with series.create(tmp_path / "out", "cbf", "dicom", times_s=None, units="mL/100 g/min") as volume:
        volume.put(0, scan.frames[0])
    classic = dcmread(next((tmp_path / "out" / "cbf").iterdir()))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName"):
        assert computed[keyword].value == classic[keyword].value
    assert computed.SeriesInstanceUID != classic.SeriesInstanceUID


def test_two_scans_are_of_two_patients(series, scan, tmp_path):
    """Archives that take patients of one name and one number for the same would mix them up."""
    other = open_dicom(write_series(tmp_path / "other", scan.frames, scan.times_s))
    ours, theirs = (write(each, tmp_path / f"{n}", "cbf", scan.frames[0]) for n, each in enumerate((series, other)))
    assert ours.PatientID
    assert ours.PatientID != theirs.PatientID


def test_frames_are_classic_images(series, scan, tmp_path):
    with series.create(tmp_path, "denoised", "dicom-pm", times_s=scan.times_s, units="HU") as volume:
        volume.put(0, scan.frames)
    np.testing.assert_allclose(open_dicom(tmp_path / "denoised").read(slice(None)), scan.frames, atol=0.05)


def test_what_a_killed_run_left_is_written_over(series, scan, tmp_path):
    series.create(tmp_path, "cbf", "dicom-pm", times_s=None, units="s").put(0, scan.frames[0])
    write(series, tmp_path, "cbf", scan.frames[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cbf.dcm", "scan"]


def test_what_has_no_code_and_a_folder_that_is_not_there_are_named(series, tmp_path):
    with pytest.raises(DataError, match="permeability: has no code in DICOM; allowed: cbf, cbv, "):
        series.create(tmp_path, "permeability", "dicom-pm", times_s=None, units="s")
    with pytest.raises(DataError, match=r"nowhere/cbf\.dcm: cannot be written"):
        series.create(tmp_path / "nowhere", "cbf", "dicom-pm", times_s=None, units="s")
