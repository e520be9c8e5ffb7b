"""What a dataset must keep to. Of each split only the first case is loaded, at each noise level asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ctpbench.contract.case import TRUTH_PARTS, Case
from ctpbench.contract.components import SPLITS, Dataset
from ctpbench.contract.observation import OBSERVATION_COORDS, Observation, check_observation
from ctpbench.errors import DataError
from ctpbench.testing.another_process import ask, part_hashes, patients
from ctpbench.testing.check import Check, NotHere, require, require_same
from ctpbench.testing.components import component_checks, fresh
from ctpbench.testing.truths import (
    at,
    truth_frames_keep_contract,
    truth_labels_keep_contract,
    truth_maps_keep_contract,
    truth_rois_keep_contract,
)
from ctpbench.text import shown

Noise = Sequence[float | None]
# More numbers than a remark about the scan needs, fewer than any image has.
_MAX_REMARK = 64


class _FirstCases:
    """Loads the first case of each split at each noise level when first asked, and keeps them for all."""

    def __init__(self, noise: Noise) -> None:
        self.noise = tuple(noise) or (None,)
        self._dataset: Dataset | None = None

    def __call__(self, dataset: Dataset) -> list[tuple[str, float | None, Case]]:
        if self._dataset is not dataset:
            ids = [dataset.cases(split)[0] for split in SPLITS if len(dataset.cases(split))]
            self._cases = [(case_id, noise, dataset.load(case_id, noise)) for case_id in ids for noise in self.noise]
            self._dataset = dataset
        return self._cases


def dataset_checks(noise: Noise = (None,)) -> list[Check]:
    """Return the checks of a dataset at the given noise levels."""
    first = _FirstCases(noise)

    def each(name: str, demand: Callable[[str, float | None, Case], None], basis: str) -> Check:
        def on_each(dataset: Dataset) -> None:
            for case_id, level, case in first(dataset):
                demand(case_id, level, case)

        return Check(name, on_each, basis)

    here, listed = "data_are_here", "case_ids_are_unique_text"
    disjoint, whose = "splits_are_disjoint", "patients_are_text"
    loads, sound, same = "loads_cases", "observation_keeps_contract", "same_case_same_bytes"
    return [
        *component_checks(),
        Check(here, _data_are_here),
        Check(listed, _case_ids_are_unique_text, here),
        Check(disjoint, _splits_are_disjoint, listed),
        Check("cases_are_stable", _cases_are_stable, listed),
        Check(whose, _patients_are_text, listed),
        Check("splits_share_no_patient", _splits_share_no_patient, (whose, disjoint)),
        Check("fingerprint_is_stable", _fingerprint_is_stable, here),
        Check(
            "unknown_case_is_refused",
            lambda dataset: _unknown_case_is_refused(dataset, first.noise[0]),
            listed,
        ),
        Check(loads, first, listed),
        each(sound, _observation_keeps_contract, loads),
        each("case_has_its_id", _case_has_its_id, sound),
        each("observation_holds_no_truth", _observation_holds_no_truth, sound),
        each("truth_maps_keep_contract", truth_maps_keep_contract, sound),
        each("truth_frames_keep_contract", truth_frames_keep_contract, sound),
        each("truth_labels_keep_contract", truth_labels_keep_contract, sound),
        each("truth_rois_keep_contract", truth_rois_keep_contract, sound),
        each("inspection_is_plain_data", _inspection_is_plain_data, sound),
        Check(same, lambda dataset: _same_case_same_bytes(dataset, first), sound),
        Check("replicates_draw_noise_anew", lambda dataset: _replicates_draw_noise_anew(dataset, first), same),
        Check(
            "another_process_same_bytes",
            lambda dataset: _another_process_same_bytes(dataset, first),
            ("cases_are_stable", whose, "fingerprint_is_stable", same),
        ),
    ]


def _data_are_here(dataset: Dataset) -> None:
    """Raise NotHere where the dataset says that it has no data, as one does whose data every user must fetch."""
    try:
        dataset.cases("test")
    except DataError as error:
        raise NotHere(str(error)) from error


def _case_ids_are_unique_text(dataset: Dataset) -> None:
    total = 0
    for split in SPLITS:
        ids = dataset.cases(split)
        listed = isinstance(ids, Sequence) and not isinstance(ids, str)
        require(listed, f"cases({split!r}): got {type(ids).__name__}; allowed: a sequence of ids")
        wrong = [case_id for case_id in ids if not (isinstance(case_id, str) and case_id)]
        require(not wrong, f"cases({split!r}): got {wrong[:3]}; allowed: text that is not empty")
        twice = sorted({case_id for case_id in ids if list(ids).count(case_id) > 1})
        require(not twice, f"cases({split!r}): got {twice[:3]} more than once; allowed: unique ids")
        total += len(ids)
    require(total > 0, "cases: got no case in any split; allowed: at least one")


def _splits_are_disjoint(dataset: Dataset) -> None:
    for one, other in combinations(SPLITS, 2):
        both = sorted(set(dataset.cases(one)) & set(dataset.cases(other)))
        require(not both, f"cases: got {both[:3]} in {one} and {other}; allowed: each case in one split")


def _patients_are_text(dataset: Dataset) -> None:
    for case_id, patient in patients(dataset).items():
        got = f"patient({case_id!r}): got {patient!r}"
        require(isinstance(patient, str) and bool(patient), f"{got}; allowed: text that is not empty")
        again = fresh(dataset).patient(case_id)
        require(again == patient, f"{got}, by another instance {again!r}; allowed: the same")


def _splits_share_no_patient(dataset: Dataset) -> None:
    for one, other in combinations(SPLITS, 2):
        both = sorted(
            {dataset.patient(c) for c in dataset.cases(one)} & {dataset.patient(c) for c in dataset.cases(other)}
        )
        require(not both, f"patient: got {both[:3]} in {one} and {other}; allowed: each patient in one split")


def _cases_are_stable(dataset: Dataset) -> None:
    for split in SPLITS:
        first = list(dataset.cases(split))
        for who, again in (("second call", dataset), ("another instance", fresh(dataset))):
            got = list(again.cases(split))
            require(got == first, f"cases({split!r}), {who}: got {got[:3]}...; allowed: {first[:3]}..., as before")


def _fingerprint_is_stable(dataset: Dataset) -> None:
    first = dataset.fingerprint()
    require(isinstance(first, str), f"fingerprint: got {type(first).__name__}; allowed: text")
    for who, again in (("second call", dataset), ("another instance", fresh(dataset))):
        got = again.fingerprint()
        require(got == first, f"fingerprint, {who}: got {got!r}; allowed: {first!r}, as before")


def _unknown_case_is_refused(dataset: Dataset, noise: float | None) -> None:
    unknown = "no such case"
    try:
        dataset.load(unknown, noise)
    except DataError:
        return
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise AssertionError(f"load({unknown!r}): got {got}; allowed: DataError") from error
    raise AssertionError(f"load({unknown!r}): got a case; allowed: DataError")


def _case_has_its_id(case_id: str, noise: float | None, case: Case) -> None:
    require(case.id == case_id, f"{at(case_id, noise)}: got id {case.id!r}; allowed: {case_id!r}")


def _observation_keeps_contract(case_id: str, noise: float | None, case: Case) -> None:
    where = at(case_id, noise)
    require(isinstance(case, Case), f"{where}: got {type(case).__name__}; allowed: Case")
    got = type(case.observation).__name__
    require(isinstance(case.observation, Observation), f"{where}: got {got}; allowed: Observation")
    try:
        check_observation(case.observation)
    except DataError as error:
        raise AssertionError(f"{where}: {error}") from None


def _observation_holds_no_truth(case_id: str, noise: float | None, case: Case) -> None:
    """No coordinate beyond the contract's, no attribute larger than a remark, and noise where asked."""
    frames, where = case.observation.frames, at(case_id, noise)
    extra = [str(name) for name in frames.coords if name not in OBSERVATION_COORDS]
    allowed = ", ".join(OBSERVATION_COORDS)
    require(not extra, f"{where}: got coordinates {', '.join(extra)} in the frames; allowed: {allowed}")
    for array in (frames, *frames.coords.values()):
        odd = [str(name) for name, value in array.attrs.items() if not _is_remark(value)]
        text = f"got attributes {', '.join(odd)} of {array.name}; allowed: text, numbers, short lists of them"
        require(not odd, f"{where}: {text}")
    if noise is not None and case.truth is not None and case.truth.frames is not None:
        same = np.array_equal(frames.values, case.truth.frames.values)
        require(not same, f"{where}: got the noiseless frames themselves; allowed: frames with noise")


def _inspection_is_plain_data(case_id: str, noise: float | None, case: Case) -> None:
    found, where = case.inspection, f"{at(case_id, noise)}: inspection"
    if found is None:
        return
    require(isinstance(found, Mapping), f"{where}: got {type(found).__name__}; allowed: a mapping, or None")
    odd = [f"{name!r}: {value!r}" for name, value in found.items() if not (isinstance(name, str) and _is_plain(value))]
    require(not odd, f"{where}: got {', '.join(odd[:3])}; allowed: text with text, bool or a finite number of Python's")


def _same_case_same_bytes(dataset: Dataset, first: _FirstCases) -> None:
    another = fresh(dataset)
    for case_id, noise, case in first(dataset):
        again = another.load(case_id, noise)
        where = f"{at(case_id, noise)}, loaded again by another instance"
        pairs = [("frames", again.observation.frames, case.observation.frames)]
        for part in TRUTH_PARTS:
            got, expected = (getattr(c.truth, part, None) for c in (again, case))
            require(
                (got is None) == (expected is None),
                f"{at(case_id, noise)}: got truth.{part} in one of two loads",
            )
            if got is not None and expected is not None:
                pairs.append((f"truth.{part}", got, expected))
        for name, got, expected in pairs:
            require_same(f"{where}: {name}", got, expected, "the same, to the bit")
        require(again.inspection == case.inspection, f"{where}: inspection: got another; allowed: the same")


def _replicates_draw_noise_anew(dataset: Dataset, first: _FirstCases) -> None:
    """Where a dataset draws noise anew, frames differ from draw to draw, and nothing else of the truth does."""
    if type(dataset).load_replicate is Dataset.load_replicate:
        return
    for case_id, noise, case in first(dataset):
        if noise is None:
            continue
        where = f"load_replicate({case_id!r}, noise={noise}"
        same = part_hashes(dataset.load_replicate(case_id, noise, 0))
        differ = [name for name, known in part_hashes(case).items() if same.get(name) != known]
        require(not differ, f"{where}, 0): got other bytes of {', '.join(differ)}; allowed: those of load")
        another = dataset.load_replicate(case_id, noise, 1)
        equal = np.array_equal(another.observation.frames.values, case.observation.frames.values)
        require(not equal, f"{where}, 1): got the frames of replicate 0; allowed: another draw of the noise")
        known, parts = ({n: h for n, h in part_hashes(c).items() if n.startswith("truth.")} for c in (case, another))
        require(parts == known, f"{where}, 1): got another truth than replicate 0; allowed: the same")


def _another_process_same_bytes(dataset: Dataset, first: _FirstCases) -> None:
    """Cases, fingerprint and bytes do not change with the process, as they would with ``hash`` of text."""
    cases = first(dataset)
    there = ask(dataset, [(case_id, noise) for case_id, noise, _ in cases])
    allowed = "the same as in this one (no hash() of text, no order of a set)"
    answers: dict[str, tuple[Any, Any]] = {
        f"cases({split!r})": (there["cases"][split], list(dataset.cases(split))) for split in SPLITS
    }
    answers["patient"] = there["patients"], patients(dataset)
    answers["fingerprint"] = there["fingerprint"], dataset.fingerprint()
    for name, (got, here) in answers.items():
        require(got == here, f"{name}, in another process: got {shown(got)}, here {shown(here)}; allowed: {allowed}")
    for (case_id, noise, case), parts in zip(cases, there["parts"], strict=True):
        expected = part_hashes(case)
        differ = [name for name in {**expected, **parts} if parts.get(name) != expected.get(name)]
        where = f"{at(case_id, noise)}, in another process"
        require(not differ, f"{where}: got other bytes of {', '.join(differ)}; allowed: {allowed}")


def _is_remark(value: object) -> bool:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return len(value) <= _MAX_REMARK and all(isinstance(part, str | int | float) for part in value)
    return isinstance(value, str | int | float | np.generic)


def _is_plain(value: object) -> bool:
    """Whether JSON has it."""
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
