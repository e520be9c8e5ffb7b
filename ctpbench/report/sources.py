"""Which runs the rows of joined results were taken from, as a section of the page."""

from __future__ import annotations

import json

import xarray as xr

from ctpbench.outcome.merge import MERGED
from ctpbench.outcome.variables import FROM_RUN
from ctpbench.report.markdown import escaped, table_lines

RUN_FACTS = ("Run", "Rows", "Suite", "ctpbench", "Code", "Processor", "Sandbox")
"""What `runs_joined` says of each run."""


def sources_markdown(tree: xr.DataTree) -> str:
    """Return a section on the runs that results were joined from; nothing where they are one run's."""
    lines = runs_joined(tree)
    if not lines:
        return ""
    table = table_lines(RUN_FACTS, [[escaped(text) for text in line] for line in lines], words=RUN_FACTS)
    return "\n".join(["## Runs", "", "These results were joined from several runs.", "", *table, ""])


def runs_joined(tree: xr.DataTree) -> list[list[str]]:
    """Return `RUN_FACTS` of each run that results were joined from; nothing where they are one run's."""
    if MERGED not in tree.attrs:
        return []
    rows: dict[str, dict[str, None]] = {}
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        for label, runs in zip(data["config"].values, data[FROM_RUN].transpose("config", ...).values, strict=True):
            for run in dict.fromkeys(str(run) for run in runs.ravel() if run):
                rows.setdefault(run, {})[str(label)] = None
    return [
        [
            str(origin["run"]),
            ", ".join(rows.get(origin["run"], {})) or "none: an earlier run has them all",
            str(origin.get("suite", "")),
            str(origin.get("ctpbench", "")),
            str(origin.get("git", ""))[:12],
            " and ".join(str(origin[part]) for part in ("cpu", "gpu") if origin.get(part)),
            str(origin.get("sandbox", "")),
        ]
        for origin in json.loads(str(tree.attrs[MERGED]))
    ]
