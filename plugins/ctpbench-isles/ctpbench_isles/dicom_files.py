"""The DICOM files at a path: which hold images, what their headers say, and which should hold images and do not."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pydicom
from pydicom import config, uid
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder

from ctpbench import DataError
from ctpbench_isles.dicom_headers import TAGS, Image, faulty_tag, image_of, mend_commas
from ctpbench_isles.file_kinds import (
    has_dicom_name,
    may_be_dicom,
    should_be_dicom,
    starts_as_bare_dicom,
    starts_as_dicom,
    walk,
)

_CT_CLASSES = (uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage)
_ITEM = b"\xfe\xff\x00\xe0"  # begins each fragment of compressed pixels


class Headers(NamedTuple):
    """What was found at a path.

    Attributes
    ----------
    images : list of Image
        In the order of the files' names.
    unread : dict of Path to str
        Files that should hold an image and cannot be read, with the reason.
    others : Counter
        DICOM files without an image (reports, structures), by their kind.
    """

    images: list[Image]
    unread: dict[Path, str]
    others: Counter[str]


def read_headers(path: Path) -> Headers:
    """Return what the headers of all files at `path` say.

    Parameters
    ----------
    path : Path
        A file, or a folder that is searched with all below it. Files that are no DICOM (a DICOMDIR, a text) count for
        nothing, unless their names are those of images.

    Raises
    ------
    DataError
        Where images are compressed in a way that nothing installed can decode.
    """
    files, lost = walk(path)
    found = Headers(
        [], {file: why for file, why in lost.items() if should_be_dicom(file) or "folder" in why}, Counter()
    )
    # Warnings of odd values would quote them, and a header may hold a name anywhere.
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in filter(may_be_dicom, files):
            try:
                with file.open("rb") as stream:
                    _read_file(file, stream, found)
            except _Unreadable as error:
                found.unread[file] = str(error)
            except Exception as error:  # pydicom raises what it meets; its texts may quote values
                found.unread[file] = f"DICOM header cannot be read ({type(error).__name__}); copy the file again"
    for syntax, file in {image.syntax: image.path for image in found.images}.items():
        _check_decoder(syntax, file)
    return found


class _Unreadable(Exception):
    """Why a file that should hold an image holds none."""


def _read_file(file: Path, stream: BinaryIO, found: Headers) -> None:
    """Add what one file holds to what was found."""
    if starts_as_dicom(stream):
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=TAGS)
    elif should_be_dicom(file) and starts_as_bare_dicom(stream):
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=TAGS, force=True)
    elif not should_be_dicom(file):
        return
    elif file.stat().st_size == 0:
        raise _Unreadable("empty (0 bytes); copy the file again")
    elif has_dicom_name(file):
        raise _Unreadable("got no DICOM header; allowed: DICOM files; copy it again, or move it away")
    else:
        return
    kind = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    if header.get("Rows") is None or header.get("Columns") is None:
        if kind is None or kind in _CT_CLASSES:
            raise _Unreadable("got a DICOM header that is cut short; copy the file again")
        found.others[str(header.get("Modality") or "other")] += 1
        return
    mend_commas(header)
    found.images.extend(_images(file, stream, header))


def _images(file: Path, stream: BinaryIO, header: Dataset) -> list[Image]:
    """Return the images of one file, whose header was read up to its pixels."""
    bare = "TransferSyntaxUID" not in header.file_meta
    syntax = _guessed_syntax(header) if bare else uid.UID(header.file_meta.TransferSyntaxUID)
    frames = int(header.get("NumberOfFrames") or 1)
    if not syntax.is_deflated:  # those do not open at all where they are cut short
        pixels = header.Rows * header.Columns * header.get("BitsAllocated", 16) // 8 * frames
        pixels *= int(header.get("SamplesPerPixel") or 1)
        missing = _end_of_pixels(stream, syntax, pixels) - file.stat().st_size
        if missing > 0:
            raise _Unreadable(f"got {missing} bytes too few of its pixels; cut short, copy the file again")
    allocated, stored, high = (header.get(tag) for tag in ("BitsAllocated", "BitsStored", "HighBit"))
    if None not in (allocated, stored, high) and stored < allocated and high != stored - 1:
        raise _Unreadable(f"got HighBit {high} of BitsStored {stored}; allowed: one less; export the series again")
    try:
        return [image_of(file, frame, header, str(syntax), bare) for frame in range(frames)]
    except (ValueError, TypeError, OverflowError):
        raise _Unreadable(f"{faulty_tag(header)} cannot be read; export the series again") from None


def _guessed_syntax(header: Dataset) -> uid.UID:
    """Return how a file without a preamble is encoded, as pydicom found it."""
    implicit, little = header.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _end_of_pixels(stream: BinaryIO, syntax: uid.UID, n_bytes: int) -> int:
    """Return how long a file must be that was read up to its pixels; JPEG decoders make up what is missing."""
    start = stream.tell() + (8 if syntax.is_implicit_VR else 12)  # tag, type and length
    if not syntax.is_compressed:
        return start + n_bytes
    end = start
    while stream.seek(end) == end and len(item := stream.read(8)) == 8 and item.startswith(_ITEM):
        end += 8 + int.from_bytes(item[4:], "little")
    return end


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
