"""The JSON beside each map: what it is, in whose words, and how it came about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ctpbench import QUANTITIES, Context, inspect_series
from ctpbench.contract.case import MAPS
from ctpbench.scans.processing import process
from ctpbench.scans.sidecars import history, write_sidecars
from ctpbench.settings import MapsSettings
from tests.fakes.ctpbench_fakes import Learn, Shrink, ToySeries, head, save_scan

SETTINGS = MapsSettings(scaling="white_matter", kappa=0.73, rho=1.05, lambda_rel=0.2)
EVERY_S = np.repeat(np.arange(45)[:, np.newaxis] * 1.5, 3, axis=1)


@pytest.fixture(scope="module")
def sidecars(tmp_path_factory):
    """What is written beside each thing that is made of a scan by a method with a parameter."""
    folder = tmp_path_factory.mktemp("sidecars")
    scan = save_scan(folder / "scan.toy.npz", "Doe^Jane", **head(EVERY_S, noise_hu=1))
    out, work = folder / "out", folder / "work"
    out.mkdir()
    work.mkdir()
    inspection = inspect_series(ToySeries(scan))
    denoiser = Shrink(weight=0.25)
    context = Context("cpu", 1, np.random.default_rng(0), work, work)
    made = process(inspection, denoiser, SETTINGS, context, out)
    written = write_sidecars(out, made, inspection, history(denoiser, SETTINGS, made, ""))
    return made, inspection, {path.stem: json.loads(path.read_text()) for path in written}


def test_each_file_has_one(sidecars):
    made, _, found = sidecars
    assert set(found) == {path.stem for path in made.files} == {*QUANTITIES}


@pytest.mark.parametrize("name", [*MAPS, "ttp_arrival"])
def test_a_map_is_called_as_the_lexicon_and_dicom_call_it(sidecars, name):
    about, quantity = sidecars[2][name], QUANTITIES[name]
    assert about["Units"] == quantity.units
    assert tuple(about["UnitsCode"].values()) == quantity.ucum
    assert tuple(about["CAPLEX"].values()) == quantity.caplex
    assert tuple(about["DICOM"].values()) == quantity.dicom


def test_how_it_was_made_stands_in_each(sidecars):
    made, inspection, found = sidecars
    for about in found.values():
        assert about["Method"] == {"Name": "shrink", "Version": "1", "Parameters": {"weight": 0.25}}
        assert about["GeneratedBy"][0]["Name"] == "ctpbench"
        assert about["Maps"]["Parameters"]["lambda_rel"] == 0.2
        assert (about["Maps"]["Parameters"]["kappa"], about["Maps"]["Parameters"]["rho"]) == (0.73, 1.05)
        assert about["Maps"]["ScalingFactors"] == dict(made.scale)
        assert about["Maps"]["ScalingFactors"]["cbf"] != 1
        assert about["Maps"]["BolusArrivalTime"] == pytest.approx(made.arrival_s, abs=1e-3)
        assert about["Scan"] == inspection.facts
        assert about["Warnings"] == list(inspection.warnings)


def test_frames_say_when_they_are_and_masks_how_large(sidecars):
    made, inspection, found = sidecars
    assert found["denoised"]["RepetitionTime"] == 1.5
    assert found["denoised"]["VolumeTiming"] == inspection.times_s.tolist()
    assert found["core"]["Volume"] == {"Value": pytest.approx(made.lesions.volumes_ml["core"], abs=1e-3), "Units": "mL"}
    assert found["core"]["Type"] == "Lesion"
    assert "0.3 times" in found["core"]["Definition"]
    assert not {"Volume", "Type", "VolumeTiming"} & set(found["cbf"])


def test_a_model_says_what_it_has_learnt_from(sidecars):
    made = sidecars[0]
    past = history(Learn(), SETTINGS, made, "this scan")
    assert past["Method"]["LearntFrom"] == "this scan"


def test_nothing_tells_of_whom_or_from_where(sidecars, tmp_path: Path):
    text = json.dumps(sidecars[2])
    assert not [word for word in ("Doe", "Jane", "toy", str(tmp_path.parent), "/tmp") if word in text]
