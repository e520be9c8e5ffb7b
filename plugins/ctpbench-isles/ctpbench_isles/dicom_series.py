"""Which of the images in a folder are the CT-perfusion series, and which are not wanted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ctpbench import DataError
from ctpbench_isles.acquired import MIN_FRAMES
from ctpbench_isles.dicom_headers import Image

_LISTED = 10


class Choice(NamedTuple):
    """The images of one scan, and what was left out for it or joined in it, a sentence each."""

    images: list[Image]
    notes: tuple[str, ...]


def choose(path: Path, images: list[Image], others: Counter[str], wanted: str | None) -> Choice:
    """Return the images of the one series in time.

    A folder of a study holds scouts, reports and maps beside it, which are left out and named. Where no series is one
    in time but all of one geometry together are, as where a scanner opens a series for each frame, they are joined.

    Parameters
    ----------
    path : Path
        For messages.
    images : list of Image
    others : Counter
        Files without images, by kind.
    wanted : str or None
        The series' number or the end of its UID, where the user says it.

    Raises
    ------
    DataError
        Where more than one is a series in time, or the wanted one is not there; lists what is.
    """
    series: dict[tuple[str, str], list[Image]] = {}
    for image in images:
        series.setdefault((image.series, image.series_number), []).append(image)
    if wanted is not None:
        chosen = {key: part for key, part in series.items() if wanted == key[1] or key[0].endswith(f".{wanted}")}
        if len(chosen) != 1:
            raise DataError(
                f"{path}: series {wanted}: got {len(chosen)} of this number or UID; allowed: {_list(path, series)}"
            )
    else:
        chosen = {key: part for key, part in series.items() if _is_dynamic(part)} if len(series) > 1 else series
    if len(chosen) > 1:
        raise DataError(
            f"{path}: got {len(chosen)} DICOM series with frames in time; allowed: one; say which by its number "
            f"(--series), or give its folder: {_list(path, chosen)}"
        )
    if not chosen:
        return _joined(path, series, others)
    (key,) = chosen
    rest = {other: part for other, part in series.items() if other != key}
    return Choice(chosen[key], _left_out(rest, others))


def _joined(path: Path, series: dict[tuple[str, str], list[Image]], others: Counter[str]) -> Choice:
    """Return all series of one geometry as one scan."""
    alike: dict[tuple[object, ...], list[tuple[str, str]]] = {}
    for key, part in series.items():
        first = part[0]
        look = (
            first.study,
            first.reference,
            first.modality,
            first.size,
            first.orientation,
            first.spacing,
            first.kernel,
        )
        alike.setdefault(look, []).append(key)
    for keys in alike.values():
        together = [image for key in keys for image in series[key]]
        if _is_dynamic(together):
            rest = {key: part for key, part in series.items() if key not in keys}
            note = f"joined: {len(keys)} DICOM series of one geometry, as of a scanner that opens one for each frame"
            return Choice(together, (note, *_left_out(rest, others)))
    raise DataError(
        f"{path}: got {len(series)} DICOM series, none with {MIN_FRAMES} images or more of each slice; allowed: one "
        f"series in time: {_list(path, series)}"
    )


def _is_dynamic(images: list[Image]) -> bool:
    """Return whether images are of CT and most places in the patient have enough of them for a series in time."""
    if any(image.modality != "CT" for image in images):
        return False
    places = Counter(
        tuple(round(x) for x in image.position) if image.position[0] == image.position[0] else () for image in images
    )
    return 2 * sum(count for count in places.values() if count >= MIN_FRAMES) > len(images)


def _left_out(rest: dict[tuple[str, str], list[Image]], others: Counter[str]) -> tuple[str, ...]:
    """Return a note on what a folder holds beside the scan."""
    parts = [
        f"series {number} ({len(part)} image{'s' * (len(part) > 1)}{'' if part[0].modality == 'CT' else ', not of CT'})"
        for (_, number), part in rest.items()
    ]
    parts += [f"{count} file{'s' * (count > 1)} without images ({kind})" for kind, count in sorted(others.items())]
    shown = parts[:_LISTED] + ([f"{len(parts) - _LISTED} more"] if len(parts) > _LISTED else [])
    return (f"left out: {', '.join(shown)}",) if parts else ()


def _list(path: Path, series: dict[tuple[str, str], list[Image]]) -> str:
    """Return series with an image of each as an example."""
    largest = sorted(series.items(), key=lambda item: -len(item[1]))
    shown = "; ".join(
        f"series {number}: {len(part)} images, such as {_relative(part[0].path, path)}"
        for (_, number), part in largest[:_LISTED]
    )
    return f"{shown}; and {len(largest) - _LISTED} more" if len(largest) > _LISTED else shown


def _relative(file: Path, path: Path) -> Path:
    return file.relative_to(path) if file != path and file.is_relative_to(path) else file
