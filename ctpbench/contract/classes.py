"""The classes of a truth's labels, by the words of their names."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ctpbench.arrays import Mask
from ctpbench.contract.case import Truth

TissueClass = Literal["gray", "white", "core", "penumbra"]
CLASS_WORDS: dict[TissueClass, frozenset[str]] = {
    "gray": frozenset({"gray", "grey"}),
    "white": frozenset({"white"}),
    "core": frozenset({"core", "severe", "infarct"}),
    "penumbra": frozenset({"penumbra", "reduced"}),
}
"""The words by which a class of `Truth.labels` is told; one that has a word of the core is no penumbra."""


def class_mask(truth: Truth, tissue: TissueClass) -> Mask | None:
    """Return where a class of tissue truly is: by labels, and core and penumbra else by regions of that name.

    Parameters
    ----------
    truth : Truth
    tissue : {"gray", "white", "core", "penumbra"}
        Gray and white matter whatever the state of their perfusion; the penumbra without the core.

    Returns
    -------
    ndarray, (z, y, x), bool, or None
        None where the truth knows no such class.

    Examples
    --------
    >>> from ctpbench.testing import example_case
    >>> truth = example_case().truth
    >>> int(class_mask(truth, "core").sum()), int(class_mask(truth, "penumbra").sum())
    (28, 44)
    """
    found = _labelled(truth, tissue)
    if found is not None or tissue in ("gray", "white"):
        return found
    if truth.rois is None or tissue not in truth.rois["roi"].values:
        return None
    return np.asarray(truth.rois.sel(roi=tissue).values, dtype=bool)


def _labelled(truth: Truth, tissue: TissueClass) -> Mask | None:
    if truth.labels is None:
        return None
    values = np.atleast_1d(truth.labels.attrs.get("flag_values", ()))
    words = [set(meaning.lower().split("_")) for meaning in str(truth.labels.attrs.get("flag_meanings", "")).split()]
    chosen = [
        value
        for value, meaning in zip(values, words, strict=True)
        if meaning & CLASS_WORDS[tissue] and not (tissue == "penumbra" and meaning & CLASS_WORDS["core"])
    ]
    return np.isin(truth.labels.values, chosen) if chosen else None
