"""What the headers of a folder of DICOM files hold about each image in it, pixels left alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydicom
from pydicom import config, uid
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder

from ctpbench import DataError
from ctpbench_isles.file_kinds import files_at, has_dicom_name, may_be_dicom, starts_as_dicom

# When an image was taken, best first: the tag of a classic image and that of a frame of a multi-frame file.
CLOCKS = (
    ("AcquisitionDateTime", "FrameAcquisitionDateTime"),
    ("AcquisitionTime", "FrameReferenceDateTime"),
    ("TriggerTime", None),
    ("ContentTime", None),
)
# What orders images in time but does not date them, best first.
COUNTERS = (
    ("TemporalPositionIdentifier", "TemporalPositionIndex"),
    ("AcquisitionNumber", "FrameAcquisitionNumber"),
    ("InstanceNumber", None),
)

_CT_CLASSES = (uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage)
_ITEM = b"\xfe\xff\x00\xe0"  # begins each fragment of compressed pixels
_FRAME_MACROS = (
    "CTReconstructionSequence",
    "FrameContentSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
)
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"),
    *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PixelRepresentation", "NumberOfFrames"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "ConvolutionKernel"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(classic for classic, _ in (*CLOCKS, *COUNTERS)),
]


class Image(NamedTuple):
    """One slice of one frame. What its header lacks is NaN, or ``""``.

    Lengths in mm; `slope` and `intercept` make HU of stored values; `padding` is the range of stored values that
    mean "nothing measured here"; `clocks` in s (time of day, or since a trigger) and `counters` as `CLOCKS` and
    `COUNTERS`; `frame` is the index within the file.
    """

    path: Path
    frame: int
    instance: str
    series: str
    series_number: str
    modality: str
    syntax: str
    size: tuple[int, int]
    kernel: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    thickness: float
    slope: float
    intercept: float
    padding: tuple[float, float]
    clocks: tuple[float, ...]
    counters: tuple[float, ...]


def read_images(path: Path) -> list[Image]:
    """Return what the headers of all images at `path` say, in the order of the files' names.

    Parameters
    ----------
    path : Path
        A file, or a folder that is searched with all below it. Files that hold no DICOM image (a DICOMDIR, a
        report, a text) are left out.

    Raises
    ------
    DataError
        Where a DICOM file is damaged, cut short, or compressed in a way that nothing installed can decode.
    """
    images: list[Image] = []
    # Warnings of odd values would quote them, and a header may hold a name anywhere.
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in filter(may_be_dicom, files_at(path)):
            try:
                with file.open("rb") as stream:
                    if starts_as_dicom(stream):
                        images += _images(file, stream)
                    elif has_dicom_name(file):
                        raise DataError(
                            f"{file}: got no DICOM header; allowed: DICOM files; copy it again, or move it away"
                        )
            except DataError:
                raise
            except Exception as error:  # pydicom raises what it meets; its texts may quote values
                name = type(error).__name__
                raise DataError(f"{file}: DICOM header cannot be read ({name}); copy the file again") from None
    for syntax, file in {image.syntax: image.path for image in images}.items():
        _check_decoder(syntax, file)
    return images


def _images(file: Path, stream: BinaryIO) -> Iterator[Image]:
    """Yield the images of one file."""
    header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS)
    kind = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    if header.get("Rows") is None or header.get("Columns") is None:
        if kind is None or kind in _CT_CLASSES:
            raise DataError(f"{file}: got a DICOM header that is cut short; copy the file again")
        return
    syntax = uid.UID(header.file_meta.get("TransferSyntaxUID", uid.ImplicitVRLittleEndian))
    frames = int(header.get("NumberOfFrames") or 1)
    if not syntax.is_deflated:  # those do not open at all where they are cut short
        pixels = header.Rows * header.Columns * header.get("BitsAllocated", 16) // 8 * frames
        missing = _end_of_pixels(stream, syntax, pixels) - file.stat().st_size
        if missing > 0:
            raise DataError(f"{file}: got {missing} bytes too few of its pixels; cut short, copy the file again")
    for frame in range(frames):
        yield _image(file, frame, header, str(syntax))


def _end_of_pixels(stream: BinaryIO, syntax: uid.UID, n_bytes: int) -> int:
    """Return how long a file must be that was read up to its pixels; JPEG decoders make up what is missing."""
    start = stream.tell() + (8 if syntax.is_implicit_VR else 12)  # tag, type and length
    if not syntax.is_compressed:
        return start + n_bytes
    end = start
    while stream.seek(end) == end and len(item := stream.read(8)) == 8 and item.startswith(_ITEM):
        end += 8 + int.from_bytes(item[4:], "little")
    return end


def _image(file: Path, frame: int, header: Dataset, syntax: str) -> Image:
    """Return one image of a file; a multi-frame file says about each in its functional groups."""
    multi = "PerFrameFunctionalGroupsSequence" in header
    values = _functional_groups(header, frame) if multi else header
    rows_columns = (int(header.Rows), int(header.Columns))
    return Image(
        path=file,
        frame=frame,
        instance=f"{header.get('SOPInstanceUID', file)}/{frame}",
        series=str(header.get("SeriesInstanceUID", "")),
        series_number=str(header.get("SeriesNumber") or "?"),
        modality="CT" if header.get("SamplesPerPixel", 1) == 1 and header.get("Modality", "CT") == "CT" else "other",
        syntax=syntax,
        size=rows_columns,
        kernel=str(values.get("ConvolutionKernel") or ""),
        position=_numbers(values.get("ImagePositionPatient"), 3),
        orientation=_numbers(values.get("ImageOrientationPatient"), 6),
        spacing=_numbers(values.get("PixelSpacing"), 2),
        thickness=_number(values.get("SliceThickness")),
        slope=_number(values.get("RescaleSlope")),
        intercept=_number(values.get("RescaleIntercept")),
        padding=_padding(header),
        clocks=tuple(_seconds(keyword, values.get(keyword)) for keyword in _keywords(CLOCKS, multi)),
        counters=(
            *(_number(values.get(keyword)) for keyword in _keywords(COUNTERS[:-1], multi)),
            1e6 * _number(header.get("InstanceNumber")) + frame,
        ),
    )


def _keywords(choices: tuple[tuple[str, str | None], ...], multi: bool) -> list[str]:
    """Return the keywords to look up, ``""`` where this kind of file has none."""
    return [choice[multi] or "" for choice in choices]


def _functional_groups(header: Dataset, frame: int) -> dict[str, Any]:
    """Return what a multi-frame file says of one frame, by keyword: what all share, then what is its own."""
    values = {}
    for group in (*header.get("SharedFunctionalGroupsSequence", []), header.PerFrameFunctionalGroupsSequence[frame]):
        for macro in _FRAME_MACROS:
            for item in group.get(macro, [])[:1]:
                values.update({element.keyword: element.value for element in item})
    return values


def _number(value: Any) -> float:
    return math.nan if value in (None, "") else float(value)


def _numbers(value: Any, n: int) -> tuple[float, ...]:
    return tuple(float(number) for number in value) if value is not None and len(value) == n else (math.nan,) * n


def _padding(header: Dataset) -> tuple[float, float]:
    """Return the range of stored values that are padding; both ends carry the sign that the pixels have."""
    ends = [_number(header.get(tag)) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if header.get("PixelRepresentation") == 1:
        bits = header.get("BitsAllocated", 16)
        ends = [end - 2**bits if end >= 2 ** (bits - 1) else end for end in ends]
    first, last = ends[0], ends[0] if math.isnan(ends[1]) else ends[1]
    return min(first, last), max(first, last)


def _seconds(keyword: str, value: Any) -> float:
    """Return a time in s: of the day for a time or a date and time (dates are often made up, and are personal)."""
    if value in (None, ""):
        return math.nan
    if keyword == "TriggerTime":
        return float(value) / 1000
    text = str(value).replace(":", "").strip()
    if keyword.endswith("DateTime"):
        text = text[8:].split("+")[0].split("-")[0]
    if len(text) < 2:
        return math.nan
    return 3600 * int(text[:2]) + 60 * int(text[2:4] or 0) + float(text[4:] or 0)


def _check_decoder(syntax: str, file: Path) -> None:
    """Raise DataError where nothing installed decodes a transfer syntax."""
    name = uid.UID(syntax).name
    try:
        decoder = get_decoder(uid.UID(syntax))
    except NotImplementedError:
        raise DataError(f"{file}: pixels stored as {name} cannot be read; convert the series first") from None
    if not decoder.is_available:
        needed = "; or ".join(decoder.missing_dependencies)
        raise DataError(f"{file}: pixels stored as {name} cannot be read; install what one decoder needs: {needed}")
