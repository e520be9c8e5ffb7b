"""Maps and masks written as DICOM's own objects for them: parametric maps in floating point, and segmentations.

Source: DICOM PS3.3, A.75 (Parametric Map) and A.51 (Segmentation); codes as in `ctpbench.QUANTITIES`.
"""

from __future__ import annotations

import copy
import os
from datetime import date, time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from ctpbench import QUANTITIES, DataError, Quantity, Volume
from ctpbench.arrays import Float32
from ctpbench_isles.dicom_study import MANUFACTURER, Study, series_number
from ctpbench_isles.writing import writing

if TYPE_CHECKING:
    from highdicom.pm import ParametricMap
    from highdicom.seg import Segmentation

_DTYPE = np.dtype("<f4")
_TEXT, _LABEL = 64, 16  # letters of DICOM's long and short strings
# Type 1, so they must be there; a true one would date the scan.
_DATE, _TIME = date(1970, 1, 1), time(0)
# What the library says of itself and of its source images, which are never written: when it ran, what it refers to.
_LEFT_OUT = (
    *("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence"),
    *("ReferencedSeriesSequence", "SourceImageSequence"),
)


class DicomMap(Volume):
    """One file that holds a whole map, or a whole mask, under a temporary name until it is finished.

    Until then its values lie in a file beside it, so that but one map at a time is in memory.

    Parameters
    ----------
    folder : Path
    name : str
        One of `ctpbench.QUANTITIES`; the file becomes ``name.dcm``.
    study : Study
        That of all else that is written of the same scan.

    Raises
    ------
    DataError
        Where the file cannot be written; names it.
    """

    def __init__(self, folder: Path, name: str, study: Study) -> None:
        super().__init__(study.grid.canonical_shape)
        if name not in QUANTITIES:
            raise DataError(f"{name}: has no code in DICOM; allowed: {', '.join(QUANTITIES)}")
        self._name, self._study = name, study
        self._target = folder / f"{name}.dcm"
        self._part = folder / f".{name}.dcm.part"
        self._values = folder / f".{name}.values.part"
        with writing(self._target), self._values.open("wb") as file:
            file.truncate(_DTYPE.itemsize * int(np.prod(self.shape)))

    def discard(self) -> None:
        """Take away what is not finished."""
        for path in (self._part, self._values):
            path.unlink(missing_ok=True)

    def _write(self, first: int, values: Float32) -> None:
        with writing(self._target), self._values.open("r+b") as file:
            file.seek(_DTYPE.itemsize * int(np.prod(self.shape[1:])) * first)
            file.write(np.ascontiguousarray(values, dtype=_DTYPE))

    def _finish(self) -> Path:
        with writing(self._target):
            values = np.fromfile(self._values, _DTYPE).reshape(self.shape)
            self._object(self._study.grid.to_stored(values).T).save_as(self._part, enforce_file_format=True)
            os.replace(self._part, self._target)
            self._values.unlink()
        return self._target

    def _object(self, pixels: Float32) -> Dataset:
        """Return what is written, of pixels (slice, row, column)."""
        quantity = QUANTITIES[self._name]
        common = {
            "series_instance_uid": generate_uid(None),
            "series_number": series_number(self._name),
            "sop_instance_uid": generate_uid(None),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MANUFACTURER,
            "software_versions": version("ctpbench"),
            "device_serial_number": "0",
            "series_description": f"ctpbench {self._name}"[:_TEXT],
            "content_label": self._name.upper()[:_LABEL],
            "content_description": quantity.title[:_TEXT],
            "content_date": _DATE,
            "content_time": _TIME,
        }
        make = _segmentation if quantity.is_mask else _parametric_map
        made: Dataset = make(self._sources(), pixels, quantity, self._name, common)
        made.BodyPartExamined = "HEAD"
        for keyword in _LEFT_OUT:
            if keyword in made:
                delattr(made, keyword)
        for frame in made.PerFrameFunctionalGroupsSequence:
            if "DerivationImageSequence" in frame:
                del frame.DerivationImageSequence
        return made

    def _sources(self) -> list[Dataset]:
        """Return images as classic ones of the same study would be, which tell the library where the slices lie."""
        template = self._study.template(self._name)
        template.PatientBirthDate = ""
        slices = [copy.deepcopy(template) for _ in range(self._study.grid.shape[2])]
        for k, image in enumerate(slices):
            self._study.place(image, k)
            image.InstanceNumber = k + 1
        return slices


def _parametric_map(
    sources: list[Dataset], pixels: Float32, quantity: Quantity, name: str, common: dict[str, Any]
) -> ParametricMap:
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from highdicom.sr import CodeContentItem

    finite = pixels[np.isfinite(pixels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    mapping = RealWorldValueMapping(
        lut_label=name.upper()[:_LABEL],
        lut_explanation=quantity.title[:_TEXT],
        unit=Code(*quantity.ucum),
        value_range=(low, high),
        slope=1,
        intercept=0,
        quantity_definition=Code(*quantity.dicom),
    )
    method = codes.DCM.PerfusionAnalysisByIVIodinatedContrastCTTechnique
    mapping.QuantityDefinitionSequence.append(CodeContentItem(codes.SCT.MeasurementMethod, method))
    shown = float(np.percentile(finite[finite > 0], 99)) if (finite > 0).any() else 1.0  # vessels leave tissue dark
    return ParametricMap(
        sources,
        np.ascontiguousarray(pixels),
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[VOILUTTransformation(window_center=shown / 2, window_width=shown)],
        contains_recognizable_visual_features=False,
        **common,
    )


def _segmentation(
    sources: list[Dataset], pixels: Float32, quantity: Quantity, name: str, common: dict[str, Any]
) -> Segmentation:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription

    assert quantity.category is not None  # it is a mask
    algorithm = AlgorithmIdentificationSequence(
        name="fixed thresholds", family=codes.DCM.NeighborhoodAnalysis, version=version("ctpbench")
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label=name,
        segmented_property_category=Code(*quantity.category),
        segmented_property_type=Code(*quantity.dicom),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        anatomic_regions=[codes.SCT.Brain],
    )
    segment.SegmentDescription = quantity.definition
    return Segmentation(
        sources,
        pixels > 0.5,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        omit_empty_frames=False,
        **common,
    )
