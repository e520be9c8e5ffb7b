"""What the header of a DICOM file holds about each image in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

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

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)?((?:[0-5]\d|60)(?:\.\d*)?)?")
_ZONE = re.compile(r"[+-]\d{4}$")
_FRAME_MACROS = (
    "CTReconstructionSequence",
    "FrameContentSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
)
_DECIMALS = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "TriggerTime", "TemporalResolution"),
)
TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"),
    *("FrameOfReferenceUID", "TemporalResolution"),
    *("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    "NumberOfFrames",
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "ConvolutionKernel"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(classic for classic, _ in (*CLOCKS, *COUNTERS)),
]


class Image(NamedTuple):
    """One slice of one frame. What its header lacks is NaN, or ``""``.

    Lengths in mm; `slope` and `intercept` make HU of stored values; `padding` is the range of stored values that
    mean "nothing measured here"; `clocks` in s (time of day, or since a trigger) and `counters` as `CLOCKS` and
    `COUNTERS`; `interval_s` is what the header says of the time between frames; `frame` is the index within the file,
    and `bare` whether that has no preamble.
    """

    path: Path
    frame: int
    bare: bool
    instance: str
    study: str
    reference: str
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
    interval_s: float


def mend_commas(header: Dataset) -> None:
    """Put points where a writer of another language put commas: in a decimal string a comma is never valid."""
    for keyword in _DECIMALS:
        raw = header.get_item(keyword)
        if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes) and b"," in raw.value:
            header[raw.tag] = raw._replace(value=raw.value.replace(b",", b"."))


def image_of(file: Path, frame: int, header: Dataset, syntax: str, bare: bool) -> Image:
    """Return one image of a file; a multi-frame file says about each in its functional groups."""
    multi = "PerFrameFunctionalGroupsSequence" in header
    values = _functional_groups(header, frame) if multi else header
    rows_columns = (int(header.Rows), int(header.Columns))
    return Image(
        path=file,
        frame=frame,
        bare=bare,
        instance=f"{header.get('SOPInstanceUID', file)}/{frame}",
        study=str(header.get("StudyInstanceUID", "")),
        reference=str(header.get("FrameOfReferenceUID", "")),
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
        clocks=tuple(_clock(choice, values, header, multi) for choice in CLOCKS),
        counters=(
            *(_number(values.get(choice[multi] or "")) for choice in COUNTERS[:-1]),
            1e6 * _number(header.get("InstanceNumber")) + frame,
        ),
        interval_s=_number(header.get("TemporalResolution")) / 1000,
    )


def faulty_tag(header: Dataset) -> str:
    """Return the first tag whose value is not of its kind; the value may be personal."""
    for keyword in TAGS:
        try:
            value = header.get(keyword)
            if keyword in _DECIMALS and value is not None:
                _numbers(value, len(value)) if isinstance(value, MultiValue) else _number(value)
            elif keyword in dict(CLOCKS):
                _seconds(keyword, value)
        except (ValueError, TypeError, OverflowError):
            return keyword
    return "a functional group" if "PerFrameFunctionalGroupsSequence" in header else "a tag"


def _clock(choice: tuple[str, str | None], values: Mapping[str, Any] | Dataset, header: Dataset, multi: bool) -> float:
    """Return a time of an image: in a multi-frame file that of the frame, or else that of the file."""
    classic, of_frame = choice
    if multi and of_frame is not None:
        time_s = _seconds(of_frame, values.get(of_frame))
        if not math.isnan(time_s):
            return time_s
    return _seconds(classic, header.get(classic))


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
    text = str(value).replace(":", "").replace(",", ".").strip()
    if keyword.endswith("DateTime"):
        text = _ZONE.sub("", text[8:])
    if len(text) < 2:
        return math.nan
    if (found := _TIME.fullmatch(text)) is None:
        raise ValueError(f"no time: {len(text)} characters")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds
