"""Records of finished cells become one xarray tree, and the tree one NetCDF file.

One group per dataset, with the dimensions ``config`` (row labels), ``noise`` (NaN where the suite names
none), ``seed``, ``case``, and ``map``, ``time``, ``frequency`` and ``roi`` where a metric keeps them. Each metric is a
float variable; beside it lie ``status``, ``message``, tuned parameters, timings and memory. A cell without a
record (excluded, or not finished) has the status ``"missing"``, empty texts and NaN. Where a metric failed, its
variable is NaN, and ``metric_faults`` says why. A dataset's group ``trials`` holds what tuning tried, its group
``learning`` what training logged, its group ``inspections`` what was found out about recorded scans, and its group
``cases`` what each case is like at each noise level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import H5NetCDFStore
from xarray.backends.locks import HDF5_LOCK

from ctpbench.atomic import replacing
from ctpbench.errors import ResultError
from ctpbench.outcome.children import Children
from ctpbench.outcome.group import Group
from ctpbench.outcome.netcdf import attribute
from ctpbench.running.record import Record
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis

__all__ = ["FORMAT", "build", "open_results", "save"]

FORMAT = 1
_MOST_BYTES = 2**32


def build(records: Iterable[Record], attrs: Mapping[str, Any]) -> xr.DataTree:
    """Return the results tree of a run.

    Parameters
    ----------
    records : iterable of records
        Those of one plan, in the order the rows shall have: labels keep the order of their first appearance. They are
        gone through once, and none is kept.
    attrs : mapping
        Provenance, which becomes the root's attributes; what is neither text nor number becomes JSON. Where it has
        ``metrics``, the labels of the suite's metrics, the groups hold them in that order; where it has ``noise_axes``,
        the symbol and units of each dataset's noise levels, the coordinate ``noise`` has them as attributes.

    Raises
    ------
    ResultError
        Where two records describe one cell, or a label is taken or not allowed as a name.
    """
    groups: dict[str, tuple[Group, Children]] = {}
    for record in records:
        if "/" in record.dataset:
            raise ResultError(f"dataset label {record.dataset!r}: holds '/'; give it another label in the suite")
        if record.dataset not in groups:
            groups[record.dataset] = Group(record.dataset), Children()
        for group in groups[record.dataset]:
            group.take(record)
    axes = {label: NoiseAxis(*axis) for label, axis in attrs.get("noise_axes", {}).items()}
    kept = {key: value for key, value in {**attrs, "format": FORMAT}.items() if key != "noise_axes"}
    nodes = {"/": xr.Dataset(attrs={key: attribute(value) for key, value in kept.items()})}
    for label in list(groups):
        group, children = groups.pop(label)
        nodes[f"/{label}"] = group.dataset(attrs.get("metrics", ()), axes.get(label, UNKNOWN_AXIS))
        nodes |= {f"/{label}/{name}": child for name, child in children.datasets().items()}
    return xr.DataTree.from_dict(nodes)


def save(tree: xr.DataTree, path: Path) -> None:
    """Write the tree as NetCDF, whole or not at all."""
    with replacing(path) as temporary:
        # `DataTree.to_netcdf` writes the same, but first loads all of Dask to ask what lock that wants.
        root = H5NetCDFStore.open(temporary, mode="w", lock=HDF5_LOCK)
        try:
            for node in tree.subtree:
                top = node is tree
                node.to_dataset(inherit=top).dump_to_store(root if top else root.get_child_store(node.path))
        finally:
            root.close()


def open_results(path: Path) -> xr.DataTree:
    """Read a results file into memory.

    Raises
    ------
    ResultError
        Where it is missing, not NetCDF, or not of the format this version writes.
    """
    if not path.is_file():
        raise ResultError(f"{path}: no such file; name the results.nc that `ctpbench run` wrote in its folder")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as file:
            size = sum(variable.nbytes for node in file.subtree for variable in node.variables.values())
            if size > _MOST_BYTES:  # which a file of a few kilobytes may claim
                raise ValueError(f"its arrays take {size / 2**30:.0f} GiB, more than results may")
            tree = file.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ResultError(
            f"{path}: not a readable NetCDF file ({_first_line(error)}); name a results.nc, or the folder of a run"
        ) from error
    found = tree.attrs.get("format")
    if found != FORMAT:
        raise ResultError(f"{path}: got results of format {found}; allowed: {FORMAT}; run the suite again")
    return tree


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
