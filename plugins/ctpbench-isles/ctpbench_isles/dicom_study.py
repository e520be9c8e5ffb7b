"""What all DICOM objects that are written of one scan have in common: a study of their own, of nobody, and a place."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from ctpbench import QUANTITIES
from ctpbench.arrays import Float64
from ctpbench_isles.orientation import Grid

MANUFACTURER = "ctpbench"
_EMPTY_TAGS = (  # which the standard wants, empty where not known
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("ReferringPhysicianName", "PositionReferenceIndicator", "PatientPosition", "KVP", "AcquisitionNumber"),
)


class Study:
    """A new study, in whose frame of reference all that is written of a scan lies.

    Everything is made anew from a fixed list of tags; nothing is copied from the scan's files.

    Parameters
    ----------
    grid : Grid
        The scan's (column, row, slice) and where they lie.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._study_uid, self._frame_of_reference_uid = generate_uid(None), generate_uid(None)

    def template(self, name: str) -> Dataset:
        """Return all that the CT images of a new series have in common, but for their pixels."""
        grid, sizes = self.grid, np.linalg.norm(self.grid.affine[:3, :3], axis=0)
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
        # Archives take patients of one name and one number for the same: each scan has a number of its own, by chance.
        image.PatientName, image.PatientID = "Anonymous^Scan", self._study_uid[-16:]
        image.PatientIdentityRemoved = "YES"
        image.DeidentificationMethod = "Made anew from pixels and geometry"
        for keyword in _EMPTY_TAGS:
            setattr(image, keyword, None)
        image.StudyInstanceUID, image.StudyID = self._study_uid, "1"
        image.FrameOfReferenceUID = self._frame_of_reference_uid
        image.SeriesInstanceUID, image.SeriesNumber = generate_uid(None), series_number(name)
        image.Modality, image.Manufacturer, image.BodyPartExamined = "CT", MANUFACTURER, "HEAD"
        image.SeriesDescription = f"ctpbench {name}"[:64]
        image.Rows, image.Columns = grid.shape[1], grid.shape[0]
        image.PixelSpacing = decimals(sizes[[1, 0]])
        image.ImageOrientationPatient = decimals(self._axes.ravel())
        image.SliceThickness = decimals(sizes[2:])[0]
        return image

    def place(self, image: Dataset, k: int) -> None:
        """Make an image of a template that of slice `k`, counted along the normal: a new instance, and where it is."""
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
        position = (self.grid.affine @ (0, 0, k, 1))[:3] * (-1, -1, 1)
        image.ImagePositionPatient = decimals(position)
        image.SliceLocation = decimals(np.cross(*self._axes)[np.newaxis] @ position)[0]

    @property
    def _axes(self) -> Float64:
        """Directions of rows and columns, (2, 3), in DICOM's axes: to the left, the back and the head."""
        axes = self.grid.affine[:3, :2] / np.linalg.norm(self.grid.affine[:3, :2], axis=0)
        return np.asarray(axes.T * (-1, -1, 1))


def series_number(name: str) -> int:
    """Return the number of a series, one for each thing that may be written: viewers sort by it."""
    return list(QUANTITIES).index(name) + 1 if name in QUANTITIES else len(QUANTITIES) + 1


def decimals(numbers: Float64) -> list[str]:
    """Return numbers as DICOM's decimal strings of at most 16 characters."""
    return [format_number_as_ds(float(number)) for number in np.where(np.abs(numbers) < 1e-9, 0.0, numbers)]
