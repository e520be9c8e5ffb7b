"""A sound dataset for the tests of the kit, and the faults that it can be given."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr
from pydantic import PrivateAttr

from ctpbench import MAPS, Case, DataError, Dataset, Observation, regions
from ctpbench.testing import example_case
from ctpbench.testing.another_process import ANSWERING
from ctpbench.testing.examples import CLASSES

SERIAL, LOADS = itertools.count(), itertools.count()


class Heads(Dataset):
    """Synthetic heads, two a split: a dataset for tests."""

    name, version = "heads", "1"
    fault: str = ""
    _serial: int = PrivateAttr(default_factory=lambda: next(SERIAL))

    def cases(self, split):
        start = {"train": 0, "validation": 2, "test": 4}[split]
        ids = [f"example-{seed}" for seed in (start, start + 1)]
        return LIST_FAULTS.get(self.fault, lambda ids, split, serial: ids)(ids, split, self._serial)

    def patient(self, case_id):
        faulty = {
            "patients_are_text": "",
            "patients_are_text/instances": f"{case_id} {self._serial}",
            "splits_share_no_patient": "nobody",
            "another_process_same_bytes/patients": f"{case_id} {hash('patient')}",
        }
        return faulty.get(self.fault, case_id)

    def load_replicate(self, case_id, noise, replicate):
        case = self.load(case_id, noise)
        draw = replicate + (self.fault == "replicates_draw_noise_anew/first")
        if draw and self.fault != "replicates_draw_noise_anew":
            case = with_frames(lambda frames, case: frames + np.float32(draw))(case)
        if draw and self.fault == "replicates_draw_noise_anew/truth":
            case = with_truth("maps", lambda maps: maps + np.float32(1))(case)
        return case

    def load(self, case_id, noise):
        number = str(case_id).rpartition("-")[2]
        if not number.isdecimal() or self.fault == "loads_cases":
            if self.fault == "unknown_case_is_refused/loaded":
                return example_case()
            raise (KeyError if self.fault == "unknown_case_is_refused" else DataError)(f"no case {case_id!r}")
        case = example_case(seed=int(number), noise_hu=7.0 if noise is None else noise)
        labels = case.truth.labels.values
        rois = regions(core=labels == CLASSES.index("core"), white_matter=labels == CLASSES.index("white"))
        found = {"noise_hu": 7.0, "slices": 2, "filtered": False, "warnings": ""}
        case = replace(case, truth=replace(case.truth, rois=rois), inspection=found)
        return CASE_FAULTS.get(self.fault, lambda case: case)(case)

    def fingerprint(self):
        faulty = {
            "fingerprint_is_stable": str(self._serial),
            "fingerprint_is_stable/number": 5,
            "another_process_same_bytes/fingerprint": str(hash("files")),
        }
        return faulty.get(self.fault, "")


PATIENT_FAULTS = (
    "patients_are_text",
    "patients_are_text/instances",
    "splits_share_no_patient",
    "another_process_same_bytes/patients",
)
REPLICATE_FAULTS = tuple(f"replicates_draw_noise_anew{which}" for which in ("", "/first", "/truth"))
LIST_FAULTS = {
    "case_ids_are_unique_text": lambda ids, split, serial: [0, 1],
    "case_ids_are_unique_text/twice": lambda ids, split, serial: ids + ids,
    "case_ids_are_unique_text/text": lambda ids, split, serial: ids[0],
    "case_ids_are_unique_text/none": lambda ids, split, serial: [],
    "splits_are_disjoint": lambda ids, split, serial: ["example-0", *ids[1:]],
    "cases_are_stable": lambda ids, split, serial: ids[:: (-1) ** serial],
    "cases_are_stable/calls": lambda ids, split, serial: ids[:: (-1) ** next(SERIAL)],
    "another_process_same_bytes/cases": lambda ids, split, serial: list({f"{ids[1]}{n:02d}" for n in range(20)}),
}


def with_frames(change: Callable[[xr.DataArray, Case], xr.DataArray]):
    return lambda case: replace(case, observation=Observation(change(case.observation.frames, case)))


def with_truth(part: str, change: Callable[[xr.DataArray], xr.DataArray]):
    return lambda case: replace(case, truth=replace(case.truth, **{part: change(getattr(case.truth, part))}))


def outside(rois: xr.DataArray, voxels: int) -> xr.DataArray:
    """Return regions of which the first has so many voxels along the upper edges, which no brain reaches."""
    edge = xr.zeros_like(rois)
    edge.values[0, :, 0].flat[:voxels] = True
    return edge


def with_inspection(**more: object):
    return lambda case: replace(case, inspection={**case.inspection, **more})


def raises_elsewhere(case: Case) -> Case:
    if ANSWERING in os.environ:
        raise DataError("no such file here")
    return case


CASE_FAULTS = {
    "observation_keeps_contract": with_frames(lambda frames, case: frames.astype(np.float64)),
    "observation_keeps_contract/case": lambda case: case.observation,
    "case_has_its_id": lambda case: replace(case, id="somebody"),
    "observation_holds_no_truth": with_frames(
        lambda frames, case: frames.assign_coords(clean=case.truth.frames.rename(None).drop_vars("time"))
    ),
    "observation_holds_no_truth/attrs": with_frames(
        lambda frames, case: frames.assign_attrs(clean=case.truth.frames.values)
    ),
    "observation_holds_no_truth/nested": with_frames(lambda frames, case: frames.assign_attrs(truth={"a": 1})),
    "observation_holds_no_truth/noiseless": with_frames(
        lambda frames, case: frames.copy(data=case.truth.frames.values)
    ),
    "truth_maps_keep_contract": with_truth("maps", lambda maps: maps.astype(np.float64)),
    "truth_maps_keep_contract/names": with_truth("maps", lambda maps: maps.sel(map=list(MAPS[::-1]))),
    "truth_maps_keep_contract/size": with_truth("maps", lambda maps: maps[..., 1:]),
    "truth_maps_keep_contract/infinity": with_truth("maps", lambda maps: maps.fillna(np.inf)),
    "truth_maps_keep_contract/resolved": lambda case: with_truth("resolved", lambda maps: maps[..., 1:])(
        replace(case, truth=replace(case.truth, resolved=case.truth.maps))
    ),
    "truth_frames_keep_contract": with_truth("frames", lambda frames: frames.assign_coords(time=frames["time"] + 1)),
    "truth_frames_keep_contract/nan": with_truth("frames", lambda frames: frames.where(frames > 0)),
    "truth_labels_keep_contract": with_truth("labels", lambda labels: labels.astype(np.int16)),
    "truth_labels_keep_contract/flags": with_truth("labels", lambda labels: labels.drop_attrs()),
    "truth_labels_keep_contract/unknown": with_truth("labels", lambda labels: labels + np.int8(1)),
    "truth_rois_keep_contract": with_truth("rois", lambda rois: rois.astype(np.int8)),
    "truth_rois_keep_contract/dims": with_truth("rois", lambda rois: rois.transpose("z", "roi", "y", "x")),
    "truth_rois_keep_contract/size": with_truth("rois", lambda rois: rois[..., 1:]),
    "truth_rois_keep_contract/place": with_truth("rois", lambda rois: rois.assign_coords(x=1.0 + np.arange(20))),
    "truth_rois_keep_contract/unnamed": with_truth("rois", lambda rois: rois.drop_vars("roi")),
    "truth_rois_keep_contract/numbers": with_truth("rois", lambda rois: rois.assign_coords(roi=[0, 1])),
    "truth_rois_keep_contract/empty": with_truth("rois", lambda rois: rois.assign_coords(roi=["core", ""])),
    "truth_rois_keep_contract/twice": with_truth("rois", lambda rois: rois.assign_coords(roi=["core", "core"])),
    "truth_rois_keep_contract/outside": with_truth("rois", lambda rois: rois | outside(rois, 21)),
    "truth_rois_keep_contract/second": with_truth("rois", lambda rois: rois | outside(rois, 21)[::-1]),
    "truth_rois_keep_contract/random": with_truth(
        "rois", lambda rois: rois.copy(data=np.random.default_rng(0).random(rois.shape) < 0.5)
    ),
    "inspection_is_plain_data": with_inspection(noise_hu=float("inf")),
    "inspection_is_plain_data/numpy": with_inspection(noise_hu=np.float32(7.0)),
    "inspection_is_plain_data/bool": with_inspection(filtered=np.True_),
    "inspection_is_plain_data/list": with_inspection(warnings=["a", "b"]),
    "inspection_is_plain_data/none": with_inspection(warnings=None),
    "inspection_is_plain_data/names": lambda case: replace(case, inspection={1: "a"}),
    "inspection_is_plain_data/pairs": lambda case: replace(case, inspection=[("a", 1)]),
    "same_case_same_bytes": with_frames(lambda frames, case: frames + np.float32(next(SERIAL))),
    "same_case_same_bytes/truth": with_truth("maps", lambda maps: maps + np.float32(next(SERIAL))),
    "same_case_same_bytes/rois": with_truth("rois", lambda rois: rois & bool(next(LOADS) % 2)),
    "same_case_same_bytes/labels": with_truth("labels", lambda labels: labels * np.int8(next(LOADS) % 2)),
    "same_case_same_bytes/inspection": lambda case: with_inspection(noise_hu=next(LOADS))(case),
    "same_case_same_bytes/part": lambda case: replace(case, truth=None) if next(LOADS) % 2 else case,
    "another_process_same_bytes": with_frames(lambda frames, case: frames + np.float32(hash(case.id) % 2**20)),
    "another_process_same_bytes/truth": with_truth("maps", lambda maps: maps + np.float32(hash("maps") % 2**20)),
    "another_process_same_bytes/inspection": lambda case: with_inspection(noise_hu=hash("noise") % 2**20)(case),
    "another_process_same_bytes/raises": raises_elsewhere,
}
