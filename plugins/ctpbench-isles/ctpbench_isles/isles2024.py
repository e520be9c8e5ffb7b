"""The dataset `isles2024`: the CT-perfusion scans of the Ischemic Stroke Lesion Segmentation challenge of 2024."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from ctpbench import DataError, Series
from ctpbench.arrays import Mask
from ctpbench_isles.file_kinds import find_nifti, folders_at
from ctpbench_isles.scans import RecordedScans, ScanFiles

_DERIVED = "derivatives"
_CT_SPACE = "space-ncct"
_SUBJECT = re.compile(r"sub[-_](\w+)", re.IGNORECASE)


class Isles2024(RecordedScans):
    """CT-perfusion scans of acute stroke with the infarct drawn on MRI days later: the ISLES challenge of 2024.

    The scan is the one as acquired, not the one registered to the non-contrast CT: interpolation would change its
    noise. The infarct is known on that CT's voxels, and is brought to the scan's by their affines.

    Source: Riedel et al. 2024, arXiv:2408.11142 (CC BY-NC-SA 4.0).
    """

    name, version = "isles2024", "1"
    about_root: ClassVar = "the folder that holds raw_data and derivatives"
    root_variable: ClassVar = "ISLES2024_ROOT"

    def _scans(self) -> dict[str, ScanFiles]:
        root = self._root
        found, lesions = _by_patient(root, "ctp"), _by_patient(root, "lesion?msk")
        scans: dict[str, ScanFiles] = {}
        for patient, paths in sorted(found.items()):
            # One mask was released on the voxels of the MRI as well, which lie elsewhere.
            masks = sorted(lesions.get(patient, []), key=lambda path: (_CT_SPACE not in path.name, path))
            acquired = [path for path in paths if _DERIVED not in path.relative_to(root).parts] or paths
            for path in acquired:
                session = next((f"_{part}" for part in path.relative_to(root).parts if part.startswith("ses-")), "")
                name = patient if len(acquired) == 1 else f"{patient}{session}"
                if name in scans:
                    raise DataError(f"{path}: got a second scan of {name}; allowed: one *ctp.nii a session; remove one")
                scans[name] = ScanFiles(path, patient, (path, *masks[:1]))
        # A patient without a scan fails by name when it is loaded, rather than count for nothing.
        for folder in folders_at(root):
            patient = _patient(folder.relative_to(root))
            if patient and patient not in found:
                scans.setdefault(patient, ScanFiles(folder, patient, ()))
        return scans

    def _open(self, scan: ScanFiles) -> Series:
        from ctpbench_isles.nifti import NiftiSeries

        if not scan.files:
            raise DataError(f"{scan.path}: got no *ctp.nii; allowed: one a session; fetch it, or remove the folder")
        return NiftiSeries(scan.path, known_unit="sec")  # which BIDS demands

    def _known_regions(self, scan: ScanFiles, series: Series) -> dict[str, Mask]:
        from ctpbench_isles.masks import resampled_mask
        from ctpbench_isles.nifti_image import NiftiImage

        _, *masks = scan.files
        return {"core": resampled_mask(masks[0], NiftiImage(scan.path).grid)} if masks else {}


def _by_patient(root: Path, kind: str) -> dict[str, list[Path]]:
    """Return the images whose names end in a kind, as in sub-..._ses-..._ctp.nii.gz, by the subject's folder."""
    found: dict[str, list[Path]] = {}
    for path in find_nifti(root, f"*{kind}"):
        patient = _patient(path.relative_to(root).parent)
        if patient:
            found.setdefault(patient, []).append(path)
    return found


def _patient(place: Path) -> str | None:
    """Return whose folder a place is in, such as sub-stroke0001, however it is spelt."""
    return next((f"sub-{match[1]}" for part in place.parts if (match := _SUBJECT.fullmatch(part))), None)
