"""A JSON file beside each thing that is written of a scan: what its values are and how they came about.

Names are those of BIDS derivatives where it has one: Description, Units, GeneratedBy, RepetitionTime. Nothing in it
tells who the patient is or where the scan lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ctpbench.atomic import write_text
from ctpbench.contract.components import Denoiser
from ctpbench.contract.quantities import QUANTITIES, Code, Quantity
from ctpbench.distributions import distribution_of, versions
from ctpbench.scans.inspection import Inspection
from ctpbench.scans.processing import Processed
from ctpbench.settings import MapsSettings


def history(denoiser: Denoiser, settings: MapsSettings, made: Processed, learnt_from: str) -> dict[str, Any]:
    """Return how maps came about, as plain data.

    Parameters
    ----------
    denoiser : Denoiser
    settings : MapsSettings
    made : Processed
    learnt_from : str
        What a method that learns has learnt from; the empty text for one that does not.
    """
    kind = type(denoiser)
    method = {"Name": kind.name, "Version": kind.version, "Parameters": denoiser.model_dump(mode="json")}
    if learnt_from:
        method["LearntFrom"] = learnt_from
    found = {**versions(["ctpbench"]), **dict([distribution_of(kind)])}
    return {
        "GeneratedBy": [{"Name": name, "Version": version} for name, version in found.items() if name],
        "Method": method,
        "Maps": {
            "Deconvolution": settings.label,
            "Parameters": settings.model_dump(mode="json"),
            "ScalingFactors": {name: float(factor) for name, factor in made.scale.items()},
            "BolusArrivalTime": round(made.arrival_s, 3),
        },
    }


def write_sidecars(out: Path, made: Processed, inspection: Inspection, past: Mapping[str, Any]) -> list[Path]:
    """Write the sidecars of all that was made, ``cbf.json`` beside ``cbf.nii``, and return them.

    Parameters
    ----------
    out : Path
        The folder that the files lie in.
    made : Processed
    inspection : Inspection
    past : mapping
        From `history`.
    """
    about = {**past, "Scan": inspection.facts, "Warnings": list(inspection.warnings)}
    written = []
    for name in dict.fromkeys(path.name.partition(".")[0] for path in made.files):
        volume_ml = made.lesions.volumes_ml.get(name)
        own = {} if volume_ml is None else {"Volume": {"Value": round(volume_ml, 3), "Units": "mL"}}
        if name == "denoised":
            own |= _timing(inspection)
        written.append(out / f"{name}.json")
        write_text(written[-1], json.dumps({**dict(_meaning(QUANTITIES[name])), **own, **about}, indent=1))
    return written


def _meaning(quantity: Quantity) -> Iterator[tuple[str, Any]]:
    yield "Description", quantity.title
    if quantity.definition:
        yield "Definition", quantity.definition
    yield "Units", quantity.units
    yield "UnitsCode", _code(quantity.ucum)
    if quantity.caplex is not None:
        yield "CAPLEX", _code(quantity.caplex)
    yield "DICOM", _code(quantity.dicom)
    if quantity.is_mask:
        yield "Type", "Lesion"


def _code(code: Code) -> dict[str, str]:
    return {"Value": code.value, "Scheme": code.scheme, "Meaning": code.meaning}


def _timing(inspection: Inspection) -> dict[str, Any]:
    times_s = inspection.times_s
    return {"RepetitionTime": float(np.median(np.diff(times_s))), "VolumeTiming": [round(float(t), 6) for t in times_s]}
