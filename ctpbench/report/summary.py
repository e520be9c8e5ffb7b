"""All that is said of a scan beside its maps: pictures, facts, and a page that holds them all."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ctpbench.atomic import write_text
from ctpbench.contract.quantities import QUANTITIES
from ctpbench.report.inspection import draw_inspection, fact_rows
from ctpbench.report.lesions import draw_lesions
from ctpbench.report.panels import map_panels
from ctpbench.report.sheet import Marks
from ctpbench.scans.inspection import Inspection
from ctpbench.scans.processing import Processed
from ctpbench.text import parameters_text

PAGE = "summary.html"
_PICTURES = {
    "overview.png": "Maps of the slice with the most brain",
    "lesions.png": "What the thresholds mark, over the mean of all frames; the number is that of the slice",
    "inspection.png": "Arterial input function and venous outflow, and where they were found",
}
_VOLUMES = {
    "core": QUANTITIES["core"].title,
    "penumbra": QUANTITIES["penumbra"].title,
    "mismatch": "Mismatch: the second less the first",
}


def write_summary(
    out: Path, inspection: Inspection, made: Processed, past: Mapping[str, Any], method: str | None
) -> list[Path]:
    """Write the pictures and facts beside the maps, and the page that shows them; return all files.

    Parameters
    ----------
    out : Path
        The folder of the maps.
    inspection : Inspection
    made : Processed
    past : mapping
        From `ctpbench.scans.sidecars.history`.
    method : str or None
        What the maps of a denoised scan are called; None for the scan as acquired.
    """
    columns = [("as acquired", made.noisy), *([(method, made.maps)] if method else [])]
    sides = Marks(sides=True)  # a series has the canonical axes
    map_panels(columns, made.tissue, f"slice {made.slice + 1}", out / "overview.png", marks=sides)
    draw_inspection(inspection, out / "inspection.png")
    if made.lesions.masks:
        draw_lesions(made, out / "lesions.png")
    facts = {**inspection.facts, "warnings": list(inspection.warnings)}
    write_text(out / "inspection.json", json.dumps(facts, indent=1))
    pictures = {name: text for name, text in _PICTURES.items() if (out / name).exists()}
    write_text(out / PAGE, _page(out, inspection, made, past, pictures))
    return [out / name for name in (*pictures, "inspection.json", PAGE)]


def _page(
    out: Path, inspection: Inspection, made: Processed, past: Mapping[str, Any], pictures: Mapping[str, str]
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ctpbench.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    volumes = made.lesions.volumes_ml
    names = dict.fromkeys(path.name.partition(".")[0] for path in made.files)
    return environment.get_template(PAGE).render(
        method=past["Method"]["Name"],
        warnings=inspection.warnings,
        facts=list(fact_rows(inspection)),
        volumes=[(text, f"{volumes[name]:.1f} mL") for name, text in _VOLUMES.items() if name in volumes],
        pictures=[(text, _embedded(out / name)) for name, text in pictures.items()],
        steps=list(_steps(past)),
        quantities=[(name, QUANTITIES[name]) for name in names],
    )


def _embedded(picture: Path) -> str:
    """Return a picture as an address that holds it, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def _steps(past: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how the maps were made, step by step."""
    method, maps = past["Method"], past["Maps"]
    yield "Software", ", ".join(f"{each['Name']} {each['Version']}" for each in past["GeneratedBy"])
    parameters = parameters_text(method["Parameters"])
    yield "Method", f"{method['Name']}, version {method['Version']}" + (f": {parameters}" if parameters else "")
    if "LearntFrom" in method:
        yield "Learnt from", method["LearntFrom"]
    yield "Deconvolution and scaling", maps["Deconvolution"]
    yield "Units", f"absolute: kappa {maps['Parameters']['kappa']:g}, rho {maps['Parameters']['rho']:g} g/mL"
    if maps["Parameters"]["scaling"] == "white_matter":
        factors = ", ".join(f"{name.upper()} x {factor:.3g}" for name, factor in maps["ScalingFactors"].items())
        yield "Factors by white matter", factors
    yield "Bolus arrival in the AIF", f"{maps['BolusArrivalTime']:.1f} s from the scan's first frame"
