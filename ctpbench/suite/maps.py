"""How maps are computed: the suite's `maps`, one way or several, and which of them a row is run with."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from ctpbench.settings import MapsSettings
from ctpbench.suite.entries import MAPS, DenoiserEntry
from ctpbench.suite.items import Item
from ctpbench.suite.sections import DenoiserSettings
from ctpbench.text import did_you_mean
from ctpbench.written.faults import Faults, listed

Ways: TypeAlias = tuple[MapsSettings, ...]


def read_maps(faults: Faults) -> Ways:
    """Return the ways to compute maps that a suite names, each with a label of its own, after noting faults."""
    written = faults.document.data.get("maps", {})
    if not isinstance(written, list):
        return (faults.section("maps", MapsSettings, MapsSettings()),)
    if not written:
        faults.add(("maps",), "got an empty list; allowed: one way to compute maps, or a list of several")
    found = [faults.take(MapsSettings, each, ("maps", index), MapsSettings()) for index, each in enumerate(written)]
    labels = [settings.label for settings in found]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            faults.add(("maps", index), f"{label!r} is in the list already")
    return tuple(found) or (MapsSettings(),)


def with_maps(row: DenoiserEntry, item: Item[DenoiserSettings], ways: Ways, faults: Faults) -> list[DenoiserEntry]:
    """Return a row for each way its maps are computed, or one that is tuned over them, after noting faults."""
    known = {settings.label: settings for settings in ways}
    wanted = item.written.maps or list(known)
    for index, label in enumerate(wanted):
        if label not in known:
            text = f"the suite has no maps {label!r}{did_you_mean(label, known)}; it has {listed(known)}"
            faults.add((*item.place, "maps", index), text)
    chosen = tuple(known[label] for label in dict.fromkeys(wanted) if label in known)
    if row.tune is None or item.written.tune is None or not item.written.tune.maps:
        several = len(chosen) > 1
        return [replace(row, label=f"{row.label}, {m.label}" if several else row.label, maps=(m,)) for m in chosen]
    if len(chosen) < 2 or MAPS in row.cls.model_fields:
        got = f"{len(chosen)} to choose from" if len(chosen) < 2 else f"a parameter {MAPS!r} of the method"
        text = f"got {got}; allowed: two or more of the suite's maps, and no parameter of that name; leave it out"
        faults.add((*item.place, "tune", "maps"), text)
    parameters = {**row.tune.parameters, MAPS: tuple(settings.label for settings in chosen)}
    return [replace(row, maps=chosen, tune=replace(row.tune, parameters=parameters))]
