"""A site from runs: its pages, its data, its images, and the scripts that they need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ctpbench.report.colours import ASIST, DIFFERENCE, GREY, lookup
from ctpbench.report.site.board import board
from ctpbench.report.site.folder import SiteFolder
from ctpbench.report.site.images import Budget, write_images
from ctpbench.report.site.matches import matches, student
from ctpbench.report.site.pages import PAGES, claims_context, page, provenance_context, quality_context
from ctpbench.report.site.rows import rows
from ctpbench.report.site.script import script
from ctpbench.report.site.sources import Source
from ctpbench.report.sources import RUN_FACTS

CASES = 3
"""Cases of each level that the image browser shows."""
IMAGE_MIB = 64
"""What its images may take."""
_PAGES = (
    "site.css",
    "theme.js",
    "core.js",
    "figure.js",
    "columns.js",
    "copying.js",
    "board.js",
    "row.js",
    "compare.js",
)
_BROWSER = (
    "pixels.js",
    "choice.js",
    "scene.js",
    "views.js",
    "gestures.js",
    "controls.js",
    "cursor.js",
    "browser.js",
)
_COLOURS = ("inferno", "viridis", ASIST, GREY, DIFFERENCE)


@dataclass(frozen=True)
class Built:
    """What was built: how many pages of rows, cases with images, rows left out for want of room, and bytes."""

    rows: int
    cases: int
    left_out: int
    size: int


def build_site(
    sources: Sequence[Source],
    out: Path,
    kinds: Mapping[str, str],
    *,
    cases: int = CASES,
    image_mib: float = IMAGE_MIB,
) -> Built:
    """Write a site into a folder that is new, empty or a site's.

    Parameters
    ----------
    sources : sequence of Source
    out : Path
    kinds : mapping
        What kind of denoiser each method is; see `ctpbench.report.site.kinds.kinds_of`.
    cases : int
        How many cases of each level the image browser shows; 0 for none.
    image_mib : float
        How many MiB its images may take.

    Raises
    ------
    InputError
        Where the folder holds something else.
    """
    folder = SiteFolder(out)
    _write_assets(folder)
    table = board(sources, kinds)
    folder.write("data/board.js", script("board", table))
    made = 0
    for source in sources:
        for key, row in rows(source):
            folder.write(f"data/rows/{key}.js", script(f"rows/{key}", row))
            made += 1
        for key, level in matches(source):
            folder.write(f"data/levels/{key}.js", script(f"levels/{key}", level))
    folder.write("data/student.js", script("student", student(sources)))
    budget = Budget(int(image_mib * 2**20))
    shown = [level for source in sources for level in write_images(source, folder, cases, budget)] if cases else []
    without = [source.name for source in sources if source.store is None]
    images = {"levels": shown, "left_out": budget.left_out, "mib": image_mib, "without": without, "cases": cases}
    folder.write("data/images.js", script("images", images))
    _write_pages(folder, sources)
    folder.finish()
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Built(made, sum(len(level["cases"]) for level in shown), budget.left_out, size)


def _write_pages(folder: SiteFolder, sources: Sequence[Source]) -> None:
    names = [source.name for source in sources]
    notes = [f"{source.name}: {source.progress}" for source in sources if source.progress]
    common = {"runs": names, "progress": notes}
    came_from = provenance_context(sources)
    contexts: dict[str, dict[str, Any]] = {
        "claims": {"claims": claims_context(sources)},
        "qc": {"quality": quality_context(sources)},
        "provenance": {"provenance": came_from, "run_facts": RUN_FACTS},
    }
    for name, title in {**PAGES, "row": "Row"}.items():
        folder.write(f"{name}.html", page(name, title, **common, **contexts.get(name, {})))
    for about in came_from:
        if about["file"]:
            folder.write(about["file"], about["suite"])


def _write_assets(folder: SiteFolder) -> None:
    """Write the scripts and the style: our own, and those of plotly and DataTables as their packages ship them."""
    from plotly.offline import get_plotlyjs

    own = files("ctpbench.report.site") / "assets"
    for name in (*_PAGES, *_BROWSER):
        folder.write(f"assets/{name}", (own / name).read_bytes())
    colours = {name: lookup(name).reshape(-1) for name in _COLOURS}
    folder.write("data/colours.js", script("colours", colours))
    folder.write("assets/plotly.js", get_plotlyjs())
    tables = files("itables") / "html"
    folder.write("assets/datatables.js", classic((tables / "dt_bundle.js").read_text(encoding="utf-8")))
    folder.write("assets/datatables.css", (tables / "dt_bundle.css").read_bytes())


def classic(module: str) -> str:
    """Return an ES module whose default export is DataTables as a classic script that sets ``DataTable``.

    A page that is opened from disk may load no module.

    Raises
    ------
    ValueError
        Where the module exports no default.
    """
    found = re.search(r"\bexport\s*\{([^}]*)\}\s*;?", module)
    default = re.search(r"([\w$]+) as default", found.group(1)) if found else None
    if found is None or default is None:
        raise ValueError("the bundle of itables exports no default; another version of itables is needed")
    body = f"{module[: found.start()]}globalThis.DataTable={default.group(1)};{module[found.end() :]}"
    return f'(()=>{{"use strict";\n{body}\n}})();\n'
