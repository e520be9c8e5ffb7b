"""The file of expected values: read strictly, every entry in use, every voxel reproduced by the twin and the core."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml

from ctpbench.perfusion import Osvd, Tikhonov, Tsvd, perfusion_maps
from tests import golden, naive

TESTS = Path(__file__).parents[1]
DECONVOLUTION = {"tikhonov": Tikhonov, "tsvd": Tsvd, "osvd": Osvd}


def asked_for():
    """The ids that tests ask for, each a literal."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "golden.expected":
                yield ast.literal_eval(node.args[0])


def test_every_entry_is_used_and_none_is_missing():
    assert set(asked_for()) == set(golden.read(golden.FILE)[0])


def test_an_id_that_is_not_there_is_named():
    ask = golden.expected
    with pytest.raises(KeyError, match=r"id: got 'phantom\.csf'; allowed: phantom\.tissue\.cbf, "):
        ask("phantom.csf")


@pytest.mark.parametrize("voxel", golden.voxels(), ids=lambda voxel: voxel.maps.id)
def test_maps_are_the_independent_ones(voxel):
    maps = perfusion_maps(
        voxel.curve_hu,
        voxel.aif_hu,
        voxel.dt_s,
        DECONVOLUTION[voxel.method](voxel.parameter),
        kappa=voxel.kappa,
        rho=voxel.rho,
    )
    assert {name: float(value) for name, value in maps.items()} == voxel.maps.approx()


@pytest.mark.parametrize("voxel", golden.voxels(), ids=lambda voxel: voxel.maps.id)
def test_the_twin_gives_the_numbers_in_the_file(voxel):
    curve, aif = np.array(voxel.curve_hu), np.array(voxel.aif_hu)
    found = naive.perfusion(curve, aif, voxel.dt_s, voxel.method, voxel.parameter, voxel.kappa, voxel.rho)
    assert found == pytest.approx(voxel.maps.value, rel=1e-8)


def test_the_voxels_are_of_many_kinds():
    """What a wrong line would have to get past."""
    rows = golden.voxels()
    assert len({tuple(row.curve_hu) for row in rows}) >= 5
    assert {row.method for row in rows} == set(DECONVOLUTION)
    assert len({row.dt_s for row in rows}) == len({tuple(row.aif_hu) for row in rows}) == 3
    assert any(min(row.aif_hu) < 0 for row in rows)
    assert any(row.kappa != 1 != row.rho for row in rows)
    assert {np.sign(row.maps.value["tmax"]) for row in rows} == {-1, 0, 1}
    assert {np.sign(row.maps.value["cbv"]) for row in rows} == {-1, 1}


# -- the reader ---


ENTRY = {
    "id": "a",
    "quantity": "b",
    "value": 1.0,
    "unit": "s",
    "tolerance": {"rel": 0.1},
    "source": "c",
    "checks": "d",
}
ROW = {"curve": "c", "tsvd": 0.1, "cbf": 1, "cbv": 1, "mtt": 1, "ttp": 1, "tmax": 1}
GIVEN = {
    "expected": [ENTRY],
    "maps_are": {name: ENTRY[name] for name in ("quantity", "tolerance", "source", "checks")}
    | {"unit": dict.fromkeys(("cbf", "cbv", "mtt", "ttp", "tmax"), "s")},
    "aifs": {"a": {"dt_s": 1.0, "hu": [0, 1]}},
    "curves": {"c": {"aif": "a", "hu": [0, 2]}},
    "maps": [ROW],
}


def read(tmp_path, text):
    path = tmp_path / "expected.yaml"
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
    golden.read.cache_clear()
    return golden.read(path)


def test_what_fits_is_read(tmp_path):
    entries, (voxel,) = read(tmp_path, GIVEN)
    assert entries["a"].approx() == 1.09 != pytest.approx(1.0)
    assert (voxel.aif_hu, voxel.curve_hu, voxel.dt_s, voxel.kappa) == ([0, 1], [0, 2], 1.0, 1.0)
    assert (voxel.method, voxel.parameter, voxel.maps.id) == ("tsvd", 0.1, "c by tsvd 0.1")


@pytest.mark.parametrize(
    "change",
    [
        {"expected": [{**ENTRY, "origin": "e"}]},
        {"expected": [{name: ENTRY[name] for name in ENTRY if name != "source"}]},
        {"expected": [{**ENTRY, "source": ""}]},
        {"expected": [{**ENTRY, "unit": ""}]},
        {"expected": [{**ENTRY, "value": "1e-3"}]},
        {"expected": [{**ENTRY, "value": []}]},
        {"expected": [{**ENTRY, "value": {"cbf": 1.0}}]},
        {"expected": [{**ENTRY, "value": {"cbf": 1.0}, "unit": {"cbv": "s"}}]},
        {"expected": [{**ENTRY, "tolerance": {}}]},
        {"expected": [{**ENTRY, "tolerance": {"relative": 0.1}}]},
        {"expected": [{**ENTRY, "tolerance": {"rel": "1e-3"}}]},
        {"expected": [ENTRY, ENTRY]},
        {"maps": [ROW, ROW]},
        {"maps": []},
        {"maps": [{**ROW, "osvd": 0.1}]},
        {"maps": [{**ROW, "ttx": 0.1}]},
        {"maps": [{**ROW, "curve": "d"}]},
        {"curves": {"c": {"aif": "a", "hu": [0, 2, 3]}}},
        {"curves": {"c": {"aif": "a", "hu": [0, "2e-3"]}}},
        {"curves": {"c": {"aif": "a", "hu": [0, 2], "delay_s": 1}}},
        {"more": []},
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change):
    with pytest.raises((TypeError, ValueError, KeyError)):
        read(tmp_path, GIVEN | change)


def test_a_key_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line 1: got a key twice"):
        read(tmp_path, "{expected: [], maps: [], maps: []}")
