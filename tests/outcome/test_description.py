"""Croissant and RO-Crate of a folder of results, read by the packages of those who made the vocabularies."""

from __future__ import annotations

import json
import logging
import math

import pytest
import yaml

from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.report.folder import render, write_descriptions
from ctpbench.running.seals import file_checksum
from tests.outcome.records import record, rmse
from tests.outcome.runs import finished_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder with its results rendered; one row has a label of all sorts, one failed."""
    rows = [
        record("noiseless", scores={"rmse": rmse([0.0, 0.0])}),
        record('od,d "label" <b>', distribution=""),
        record("broken", status="crashed"),
    ]
    store = finished_run(tmp_path_factory.mktemp("described"), rows)
    render(store)
    return store.folder


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # mlcroissant's own
def test_croissant_is_valid_and_its_records_are_the_leaderboards_lines(folder, caplog):
    import mlcroissant

    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    warned = dataset.metadata.ctx.issues.warnings
    assert all("license" in each for each in warned)  # which a run's owner alone can give
    assert not [each for each in caplog.messages if "not standard" in each]
    records = list(dataset.records("leaderboard"))
    table = json.loads((folder / "leaderboard.json").read_text())
    assert len(records) == len(table) == 3
    for found, row in zip(records, table, strict=True):
        assert found["leaderboard/config"].decode() == row["config"]
        assert found["leaderboard/n_cases"] == row["n_cases"]
        assert found["leaderboard/rank"] == row["rank"]
        value = found["leaderboard/rmse_cbf"]
        assert (value is None or math.isnan(value)) if row["rmse_cbf"] is None else value == row["rmse_cbf"]


def test_the_crate_is_read_with_all_its_files(folder):
    from rocrate.rocrate import ROCrate

    crate = ROCrate(folder)
    assert crate.name == "quick"
    parts = {part["@id"] if isinstance(part, dict) else part.id for part in crate.root_dataset["hasPart"]}
    assert parts == {
        "results.nc",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.md",
        "suite.lock.yaml",
        "cells.json",
    }
    assert crate.get("results.nc")["encodingFormat"] == "application/x-netcdf"
    assert crate.get("#run")["instrument"].id == "#ctpbench"


@pytest.mark.parametrize("name", ["croissant.json", "ro-crate-metadata.json"])
def test_checksums_and_sizes_are_those_of_the_files(folder, name):
    document = json.loads((folder / name).read_text())
    files = document.get("distribution") or [node for node in document["@graph"] if node["@type"] == "File"]
    assert len(files) == 6
    for file in files:
        assert file["sha256"] == file_checksum(folder / file["@id"])
        assert int(file["contentSize"].removesuffix(" B")) == (folder / file["@id"]).stat().st_size


def test_scores_are_described_with_units_and_direction(folder):
    document = json.loads((folder / "croissant.json").read_text())
    fields = {field["name"]: field for field in document["recordSet"][0]["field"]}
    assert fields["rmse_cbf"]["description"] == "RMSE CBF in mL/100 g/min, mean over patients; better: lower."
    assert fields["rmse_cbf_low"]["description"].endswith("mean over patients, lower end of the 95% interval.")
    kinds = {name: fields[name]["dataType"] for name in ("config", "rmse_cbf", "n_cases", "contended")}
    assert kinds == {"config": "sc:Text", "rmse_cbf": "sc:Float", "n_cases": "sc:Integer", "contended": "sc:Boolean"}


def test_a_licence_stands_where_it_is_known(folder, tmp_path):
    from ctpbench.outcome.results import open_results

    tree = open_results(folder / "results.nc")
    write_descriptions(tree, leaderboard(tree), tmp_path, "https://spdx.org/licenses/Apache-2.0")
    assert json.loads((tmp_path / "croissant.json").read_text())["license"] == "https://spdx.org/licenses/Apache-2.0"
    graph = json.loads((tmp_path / "ro-crate-metadata.json").read_text())["@graph"]
    assert {"@id": "https://spdx.org/licenses/Apache-2.0"} in [node.get("license") for node in graph]


def test_the_citation_names_this_version_and_nobody_who_is_not():
    from pathlib import Path

    root = Path(__file__).parents[2]
    cited = yaml.safe_load((root / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= cited.keys()
    assert cited["authors"] == [{"name": "The ctpbench developers"}]
    assert f'version = "{cited["version"]}"' in (root / "pyproject.toml").read_text()
