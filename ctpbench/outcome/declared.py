"""How the scores of an older run were taken, as far as its results say: those of before `protocol` was kept.

Its suite names data sets, metrics and maps, and its arrays hold whose each case is. Nobody wrote down versions, code,
the files that were read, and parameters that the suite left at their defaults: these stand as None, or are not there. A
control that both runs have must show that they are the same: see `ctpbench.outcome.comparable`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.variables import PATIENT
from ctpbench.suite.maps import read_maps
from ctpbench.written.document import parse
from ctpbench.written.faults import Faults


def declared(tree: xr.DataTree, name: str) -> dict[str, Any]:
    """Return what an older run's results say, in the parts of `ctpbench.running.protocol.protocol`.

    Raises
    ------
    ResultError
        Where they do not say what the suite was, or whose each case is.
    """
    try:
        document = parse(str(tree.attrs.get("suite_text", "")), f"{name}: its suite")
        faults = Faults(document)
        ways = read_maps(faults)
        faults.raise_if_any()
        items = {section: _items(document.data.get(section)) for section in ("datasets", "metrics")}
    except InputError as error:
        raise ResultError(
            f"{name}: results of an older version, which do not say what they were scored on and with, and the suite "
            f"in them cannot be read ({str(error).splitlines()[0]}); run it again"
        ) from None
    datasets = {}
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        if PATIENT not in data.coords or label not in items["datasets"]:
            lack = "whose each case is" if PATIENT not in data.coords else "what it was, for the suite names it not"
            raise ResultError(
                f"{name}: results of an older version, which do not say of {label!r} {lack}; run it again"
            )
        patients = dict(zip(data["case"].values.astype(str), data[PATIENT].values.astype(str), strict=True))
        datasets[label] = {**items["datasets"][label], "fingerprint": None, "cases": patients}
    metrics = {
        label: {**_unknown(attrs["metric"] or label), "params": json.loads(attrs["parameters"])}
        for label, attrs in _scored(tree).items()
    }
    maps = [settings.model_dump(mode="json") for settings in ways]
    return {"datasets": datasets, "metrics": {**items["metrics"], **metrics}, "maps": maps, "core": None}


def _items(section: Any) -> dict[str, dict[str, Any]]:
    """Return what a section of a suite names, by label: a bare name, or a mapping with its parameters."""
    found = {}
    for item in section if isinstance(section, list) else ():
        written = item if isinstance(item, dict) else {"name": item}
        if "name" not in written:
            continue
        component = str(written["name"]).rpartition(":")[2]
        label = str(written.get("label") or component)
        found[label] = {**_unknown(component), "params": written.get("params") or {}}
    return found


def _unknown(name: str) -> dict[str, Any]:
    return {"name": name, "version": None, "params": {}, "code": None}


def _scored(tree: xr.DataTree) -> dict[str, Mapping[str, Any]]:
    """Return the attributes of each metric's scores, with its name and parameters."""
    blank = {"metric": "", "parameters": "{}"}
    variables = (item for node in tree.children.values() for item in node.to_dataset(inherit=False).data_vars.items())
    return {str(label): {**blank, **scores.attrs} for label, scores in variables if "better" in scores.attrs}
