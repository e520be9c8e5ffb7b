"""Writes small DICOM series the way scanners do, a patient's data and all, for the reader to be tested on."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    generate_uid,
)

# None of this may come out anywhere.
SECRETS = ("DOE", "JANE", "MRN4711", "19450102", "19990314", "NOWHERE HOSPITAL", "Smith")
ORIGIN_MM = (-80.0, -95.5, 12.25)  # of the voxel at the front, right and bottom; LPS
SPACING_MM = (5.0, 9.0, 8.5)  # z, y, x; so large that few pixels make a head


def time_text(time_s: float) -> str:
    """Return a time of day as DICOM writes it."""
    whole, rest = divmod(round(time_s * 1e6) % 86_400_000_000, 1_000_000)
    return f"{whole // 3600:02d}{whole // 60 % 60:02d}{whole % 60:02d}.{rest:06d}"


def stored_pixels(frame: npt.NDArray[np.float32], image: Dataset) -> npt.NDArray[np.int64]:
    """Return HU as an image's slope and intercept store them."""
    return np.rint((frame - float(image.RescaleIntercept)) / float(image.RescaleSlope)).astype(np.int64)


def base_image(frames: npt.NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> Dataset:
    """Return what all images of a scan have in common, and what should never have left the hospital."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
    image.PatientName, image.PatientID, image.PatientBirthDate = "DOE^JANE", "MRN4711", "19450102"
    image.InstitutionName, image.ReferringPhysicianName = "NOWHERE HOSPITAL", "Smith^DOE"
    image.StudyDescription, image.SeriesDescription = "CTP of DOE, JANE", "DOE JANE perfusion"
    image.StudyDate = image.AcquisitionDate = "19990314"
    image.private_block(0x0009, "DOE^JANE", create=True).add_new(0x01, "LO", "MRN4711 NOWHERE HOSPITAL")
    image.Modality, image.SeriesNumber, image.SeriesInstanceUID = "CT", 7, generate_uid()
    image.StudyInstanceUID, image.FrameOfReferenceUID = generate_uid(), generate_uid()
    image.Rows, image.Columns = frames.shape[2:]
    image.PixelSpacing, image.SliceThickness = list(spacing_mm[1:]), spacing_mm[0]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.ConvolutionKernel = "H20f"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    return image


def write_series(
    folder: Path,
    frames: npt.NDArray[np.float32],
    times_s: npt.NDArray[np.float64],
    *,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    suffix: str = "",
    begin_s: float = 36000.0,
    flip: tuple[bool, bool] = (False, False),
    transpose: bool = False,
    tilt: float = 0.0,
    seed: int = 0,
    change: Callable[[Dataset, int, int], bool | None] | None = None,
    encode: Callable[[Dataset], None] | None = None,
    **tags: object,
) -> Path:
    """Write (time, z, y, x) HU as classic files with names in random order; `times_s` is (time) or (time, z).

    `flip` turns the stored columns and rows round (as for a patient who lies the other way), `transpose` swaps them;
    `tilt` shifts each slice by so many mm to the back; `tags` replace those of all images, `change` (image, time,
    slice) those of one and returns False to leave a file out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = list(range(frames.shape[0] * frames.shape[1]))
    random.Random(seed).shuffle(names)
    times = np.broadcast_to(np.reshape(times_s, (len(times_s), -1)), frames.shape[:2])
    template = base_image(frames, spacing_mm)
    for keyword, value in tags.items():
        setattr(template, keyword, value)
    for t in range(frames.shape[0]):
        for z in range(frames.shape[1]):
            image = copy.deepcopy(template)
            place_slice(image, frames[t, z], z, spacing_mm, flip, transpose, tilt)
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            image.AcquisitionTime = image.ContentTime = time_text(begin_s + times[t, z])
            image.AcquisitionNumber, image.InstanceNumber = t + 1, t * frames.shape[1] + z + 1
            if change is not None and change(image, t, z) is False:
                continue
            if encode is not None:
                encode(image)
            image.save_as(folder / f"IM{names[t * frames.shape[1] + z]:05d}{suffix}", enforce_file_format=True)
    return folder


def place_slice(
    image: Dataset,
    frame: npt.NDArray[np.float32],
    z: int,
    spacing_mm: tuple[float, float, float],
    flip: tuple[bool, bool],
    transpose: bool,
    tilt: float,
) -> None:
    """Give an image its pixels and tell where they lie."""
    axes = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    corner = np.add(ORIGIN_MM, (0, tilt * z, spacing_mm[0] * z))
    pixels = stored_pixels(frame, image)
    for axis in (0, 1):
        if flip[axis]:
            pixels = np.flip(pixels, 1 - axis)
            corner = corner + axes[axis] * spacing_mm[2 - axis] * (pixels.shape[1 - axis] - 1)
            axes[axis] *= -1
    spacing = list(spacing_mm[1:])
    if transpose:
        pixels, axes, spacing = pixels.T, axes[::-1], spacing[::-1]
    image.Rows, image.Columns = pixels.shape
    image.PixelSpacing = spacing
    image.ImageOrientationPatient = axes.ravel().tolist()
    image.ImagePositionPatient = corner.tolist()
    image.PixelData = pixels.astype("<i2" if image.PixelRepresentation else "<u2").tobytes()


def write_enhanced(
    path: Path, frames: npt.NDArray[np.float32], times_s: npt.NDArray[np.float64], *, dated: bool = True, seed: int = 0
) -> Path:
    """Write a scan as one enhanced multi-frame file whose frames lie in random order, each with its own scale."""
    image = base_image(frames, SPACING_MM)
    for keyword in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"):
        delattr(image, keyword)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = EnhancedCTImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.AcquisitionDateTime = "19990314100000"
    places = [(t, z) for t in range(frames.shape[0]) for z in range(frames.shape[1])]
    random.Random(seed).shuffle(places)
    measures, plane, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING_MM[1:]), SPACING_MM[0]
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    groups, pixels = [], []
    for t, z in places:
        position, content, scale, group = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = np.add(ORIGIN_MM, (0, 0, SPACING_MM[0] * z)).tolist()
        content.TemporalPositionIndex = t + 1
        if dated:
            content.FrameAcquisitionDateTime = "19990314" + time_text(36000 + times_s[t]) + "+0100"
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = (1, -1024 - t, "HU")
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([position]), Sequence([content])
        group.PixelValueTransformationSequence = Sequence([scale])
        groups.append(group)
        pixels.append(stored_pixels(frames[t, z], scale).astype("<u2"))
    image.PerFrameFunctionalGroupsSequence = Sequence(groups)
    image.NumberOfFrames = len(places)
    image.PixelData = np.stack(pixels).tobytes()
    image.save_as(path, enforce_file_format=True)
    return path


def encode_jpeg_lossless(image: Dataset) -> None:
    """Compress an image as JPEG Lossless (process 14, selection value 1), which pydicom only decodes."""
    pixels = np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)
    image.PixelData = encapsulate([jpeg_lossless(pixels)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def jpeg_lossless(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Return a 16-bit image as JPEG Lossless, each pixel predicted by its left neighbour (ITU-T T.81, annex H)."""
    rows, columns = pixels.shape
    bits = []
    for y in range(rows):
        for x in range(columns):
            guess = int(pixels[y, x - 1]) if x else int(pixels[y - 1, 0]) if y else 1 << 15
            difference = (int(pixels[y, x]) - guess + 0x8000) % 0x10000 - 0x8000
            size = abs(difference).bit_length()
            bits.append(f"{size:05b}")  # 17 codes of five bits, in order of size
            if 0 < size < 16:
                bits.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0] * 4 + [17] + [0] * 11 + list(range(17)))
    return (
        b"\xff\xd8"
        + b"\xff\xc3\x00\x0b\x10"
        + rows.to_bytes(2, "big")
        + columns.to_bytes(2, "big")
        + b"\x01\x01\x11\x00"
        + b"\xff\xc4"
        + (3 + len(table)).to_bytes(2, "big")
        + b"\x00"
        + table
        + b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
        + data
        + b"\xff\xd9"
    )
