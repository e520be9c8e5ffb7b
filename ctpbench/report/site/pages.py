"""The pages themselves, from templates. Whatever a suite or a plugin calls its things is text in them, never markup."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ctpbench.errors import InputError
from ctpbench.outcome.agreement import Agreement, agreements
from ctpbench.outcome.claims import FILE_NAME, judge, load_claims
from ctpbench.outcome.manifest import seals_of
from ctpbench.outcome.quality import CaseTable, case_tables
from ctpbench.outcome.scores import decimals, interval_text, rounded, title_of
from ctpbench.outcome.statistics import Estimate, outlying
from ctpbench.outcome.variables import axis_of
from ctpbench.report.claims import tally, verdicts_note
from ctpbench.report.site.sources import Source
from ctpbench.report.sources import runs_joined
from ctpbench.text import in_brackets, level_text, noise_column

if TYPE_CHECKING:
    from jinja2 import Environment

PAGES = {
    "index": "Board",
    "compare": "Compare",
    "browser": "Images",
    "claims": "Claims",
    "qc": "Cases",
    "provenance": "Provenance",
}
"""Pages by their file's name without its ending, and what the menu calls them."""
_FACTS = ("ctpbench", "python", "system", "cpu", "gpu", "memory_gib", "device", "threads", "jobs", "git", "sandbox")


def page(name: str, title: str, **context: Any) -> str:
    """Return a page from the template of its name."""
    template = _environment().get_template(f"{name}.html")
    return template.render(page=name, title=title, menu=PAGES, version=metadata.version("ctpbench"), **context)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ctpbench.report.site")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def claims_context(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the claims of each run that has any, with the verdicts, or with what is wrong with their file."""
    found = []
    for source in sources:
        path = source.folder / FILE_NAME
        if not path.is_file():
            continue
        about: dict[str, Any] = dict.fromkeys(("title", "fault", "tally", "note"), "") | {"run": source.name}
        try:
            claims = load_claims(path)
            judgements = judge(claims, source.tree, source.cells, source.frame)
            about |= {"title": claims.title, "tally": tally(judgements), "note": verdicts_note(judgements)}
            about["judgements"] = judgements
        except InputError as error:
            about["fault"] = str(error).replace(str(path), path.name)
        found.append(about)
    return found


def quality_context(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return tables of each run's cases, of what was found out about scans, and of agreement with references."""
    return [
        {
            "run": source.name,
            "cases": [_case_table(table) for table in case_tables(source.tree, source.frame)],
            "scans": list(_inspections(source.tree)),
            "agreement": list(_agreement_tables(agreements(source.tree, source.frame))),
        }
        for source in sources
    ]


def provenance_context(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return where each run comes from, and how to repeat it, or which runs it was joined from."""
    found = []
    for place, source in enumerate(sources):
        attrs = source.tree.attrs
        suite = str(attrs.get("suite_text", ""))
        file = f"suites/{place + 1}.yaml"
        found.append(
            {
                "run": source.name,
                "description": str(attrs.get("description", "")),
                "facts": [(name, str(attrs[name])) for name in _FACTS if str(attrs.get(name, ""))],
                "plugins": [(name, version) for name, version in _mapping(attrs.get("plugins")).items() if name],
                "packages": list(_mapping(attrs.get("packages")).items()),
                "suite": suite,
                "file": file if suite else "",
                "sha256": str(attrs.get("suite_sha256", "")),
                "manifest": [(key, seal) for key, seal in seals_of(source.tree).items() if seal],
                "joined": runs_joined(source.tree),
                "verify": f"ctpbench verify {shlex.quote(str(source.folder))}",
            }
        )
    return found


def _mapping(text: Any) -> dict[str, str]:
    """Return what results hold as JSON text; nothing where they do not."""
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        found = {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _case_table(table: CaseTable) -> dict[str, Any]:
    """Return one level's cases: a header, and rows of text with a mark where a number is far from the others."""
    titled = {f"{title_of(name.rpartition('_')[0])} ({of})": values for (name, of), values in table.numbers.items()}
    here = np.isfinite(np.array([*titled.values()])).any(axis=0)
    note = ""
    if table.share:
        score, config = table.share.score.title, table.share.config
        titled[f"share of {score} (%)"] = 100 * table.share.values
        note = f"Share: what a case carries of the mean {score} of {config}, the row in the middle."
    columns = []
    for values in titled.values():
        shown = values[here]
        digits = decimals(float(np.max(np.abs(shown), initial=0.0, where=np.isfinite(shown))), 3)
        texts = ["" if np.isnan(value) else f"{value:.{digits}f}" for value in shown]
        columns.append(list(zip(texts, map(bool, outlying(shown)), strict=True)))
    named = [table.cases, *([table.patients] if table.patients and table.patients != table.cases else [])]
    labels = [[name for name, known in zip(names, here, strict=True) if known] for names in named]
    return {
        "title": level_text(table.dataset, table.noise, table.axis),
        "header": ["case", "patient"][: len(named)],
        "numbers": list(titled),
        "rows": list(zip(zip(*labels, strict=True), zip(*columns, strict=True), strict=True)),
        "note": note,
    }


def _inspections(tree: xr.DataTree) -> Iterator[dict[str, Any]]:
    """Yield what was found out about recorded scans: a table for each data set."""
    for label, node in tree.children.items():
        if "inspections" not in node.children:
            continue
        table = node.children["inspections"].to_dataset(inherit=False)
        axis = axis_of(node.to_dataset(inherit=False))
        facts = [str(name) for name in table.data_vars if name not in ("inspected_case", "inspected_noise")]
        rows = []
        for i in range(table.sizes["scan"]):
            scan = table.isel(scan=i)
            values = [_shown(scan[name].values.item()) for name in facts]
            rows.append(
                [str(scan["inspected_case"].values), noise_column(float(scan["inspected_noise"]), axis), *values]
            )
        yield {"title": str(label), "header": ["scan", "noise", *map(title_of, facts)], "rows": rows}


def _shown(value: Any) -> str:
    return rounded(value, 4) if isinstance(value, float) else str(value)


def _agreement_tables(found: Sequence[Agreement]) -> Iterator[dict[str, Any]]:
    """Yield a table for each level: how far each row agrees with its reference."""
    levels: dict[str, list[Agreement]] = {}
    for one in found:
        levels.setdefault(level_text(one.dataset, one.noise, one.axis), []).append(one)
    for title, members in levels.items():
        rows = []
        for one in members:
            score = f"{one.score.title}{in_brackets(one.score.units)}"
            what = [score, one.config, str(one.patients)]
            if one.quantity == "decision":
                rows.append([*what, "", "", "", rounded(one.agreed, 2), _estimate(one.kappa)])
            else:
                limits = f"{rounded(one.limits.lower.value, 3)} to {rounded(one.limits.upper.value, 3)}"
                rows.append([*what, _estimate(one.limits.bias), limits, _estimate(one.icc), "", ""])
        yield {"title": title, "rows": rows}


def _estimate(estimate: Estimate) -> str:
    if estimate.interval is None:
        return rounded(estimate.value, 3)
    return interval_text(estimate.value, estimate.interval.low, estimate.interval.high)
