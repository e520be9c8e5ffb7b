"""Which runs the rows of joined results were taken from, as a section of the page."""

from __future__ import annotations

import json

import xarray as xr

from ctpbench.outcome.merge import MERGED
from ctpbench.outcome.variables import FROM_RUN
from ctpbench.report.markdown import escaped, table_lines

_HEADER = ("Run", "Rows", "Suite", "ctpbench", "Code", "Processor", "Sandbox")


def sources_markdown(tree: xr.DataTree) -> str:
    """Return a section on the runs that results were joined from; nothing where they are one run's."""
    if MERGED not in tree.attrs:
        return ""
    rows: dict[str, dict[str, None]] = {}
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        for label, runs in zip(data["config"].values, data[FROM_RUN].transpose("config", ...).values, strict=True):
            for run in dict.fromkeys(str(run) for run in runs.ravel() if run):
                rows.setdefault(run, {})[str(label)] = None
    lines = [
        [
            origin["run"],
            ", ".join(rows.get(origin["run"], {})) or "none: an earlier run has them all",
            origin.get("suite", ""),
            origin.get("ctpbench", ""),
            origin.get("git", "")[:12],
            " and ".join(part for part in (origin.get("cpu", ""), origin.get("gpu", "")) if part),
            origin.get("sandbox", ""),
        ]
        for origin in json.loads(str(tree.attrs[MERGED]))
    ]
    table = table_lines(_HEADER, [[escaped(str(text)) for text in line] for line in lines], words=_HEADER)
    return "\n".join(["## Runs", "", "These results were joined from several runs.", "", *table, ""])
