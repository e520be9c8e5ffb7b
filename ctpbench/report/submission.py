"""A run packed into a folder for a pull request under leaderboards/, and such a folder looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from ctpbench.atomic import new_folder, write_text
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome import results
from ctpbench.outcome.card import Card, card_text
from ctpbench.outcome.claims import FILE_NAME as CLAIMS
from ctpbench.outcome.leaderboard import leaderboard, to_csv
from ctpbench.outcome.manifest import FILE_NAME, Manifest, card_path, faults_of, load_manifest, manifest_of
from ctpbench.outcome.netcdf import plain
from ctpbench.outcome.results import open_results
from ctpbench.outcome.verification import FILE_NAME as VERIFICATION
from ctpbench.report.folder import page, results_of, write_descriptions
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from ctpbench.text import UNKNOWN_AXIS, level_text

LICENCE = "https://spdx.org/licenses/Apache-2.0"
"""What a board is under, as all that lies in the repository: who hands in agrees."""
_NOT_PROVENANCE = ("suite_text", "description", "format")


def whole_run(run: Path) -> tuple[xr.DataTree, list[Record]]:
    """Return the results and the records of a run that is finished and sound.

    Raises
    ------
    ResultError
        Where it holds no run, cells are not finished, or files are cut short or altered.
    """
    store = Store(run)
    store.cache.looks.forget_all()
    index, records = store.index(), {record.key: record for record in store.finished()}
    for record in records.values():
        if record.entries is not None and store.cache.holds("prediction", record.entries.prediction):
            store.cache.is_sound("prediction", record.entries.prediction)  # which notes what is damaged
    if store.damaged:
        path, wrong = next(iter(store.damaged.items()))
        more = f" (and {len(store.damaged) - 1} more)" if len(store.damaged) > 1 else ""
        raise ResultError(f"{run}: damaged: {path}: {wrong}{more}; give the run's command again, it is computed anew")
    lacking = [cell for cell in index.cells if cell.key not in records or records[cell.key].status == "skipped"]
    if lacking:
        levels = [level_text(cell.dataset, cell.noise, index.axes.get(cell.dataset, UNKNOWN_AXIS)) for cell in lacking]
        named = [f"{where}: {cell.config}, seed {cell.seed}" for where, cell in zip(levels[:3], lacking, strict=False)]
        shown = "; ".join(named) + ("; ..." if len(lacking) > 3 else "")
        raise ResultError(
            f"{run}: {len(lacking)} of {len(index.cells)} cells are not finished ({shown}); give the run's command "
            "again, finished cells are kept"
        )
    return results_of(run)[0], list(records.values())


def pack(run: Path, tree: xr.DataTree, cards: Sequence[Card], out: Path) -> None:
    """Write a run's folder for a pull request, whole or not at all.

    Raises
    ------
    InputError
        Where `out` holds something.
    """
    with new_folder(out, "--out") as folder:
        results.save(tree, folder / "results.nc")
        write_text(folder / "suite.yaml", str(tree.attrs["suite_text"]))
        facts = {str(name): plain(value) for name, value in tree.attrs.items() if name not in _NOT_PROVENANCE}
        write_text(folder / "provenance.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        for name in (CLAIMS, VERIFICATION):
            if (run / name).is_file():
                write_text(folder / name, (run / name).read_text())
        for card in cards:
            write_text(folder / card_path(card.row), card_text(card))
        manifest = manifest_of(folder, str(tree.attrs["suite"]), [card.row for card in cards], tree)
        write_text(folder / FILE_NAME, manifest.model_dump_json(indent=1) + "\n")
        render_packed(folder)


def render_packed(folder: Path) -> None:
    """Write what follows from a packed folder's results: its page, its table, and what describes it to programs."""
    tree = open_results(folder / "results.nc")
    frame = leaderboard(tree)
    write_text(folder / "README.md", page(frame, tree, folder))
    write_text(folder / "leaderboard.csv", to_csv(frame))
    write_descriptions(tree, frame, folder, LICENCE)


def checked_packed(folder: Path) -> Manifest | None:
    """Return the manifest of a folder that is as it was packed, None of one that was not handed in.

    Raises
    ------
    ResultError
        With all that is wrong, a line each.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        return None
    faults = faults_of(folder, manifest)
    if not faults:
        tree = open_results(folder / "results.nc")
        if not (folder / "README.md").is_file() or (folder / "README.md").read_text() != page(
            leaderboard(tree), tree, folder
        ):
            faults.append("README.md: is not the page of these results; pack the run again by `ctpbench submit`")
    if faults:
        raise ResultError("\n".join(f"{folder}: {fault}" for fault in faults))
    return manifest


def chosen_rows(tree: xr.DataTree, asked: Sequence[str], controls: Sequence[str]) -> list[dict[str, str]]:
    """Return what the results say of the rows that are handed in: those asked for, else all but the controls.

    Raises
    ------
    InputError
        Where the run has no such row.
    """
    rows: dict[str, dict[str, str]] = {}
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        for i, config in enumerate(map(str, data["config"].values)):
            row = rows.setdefault(config, {"config": config, "data": "", "trained_on": ""})
            row |= {name: str(data[name].values[i]) for name in ("method", "version", "distribution")}
            row["data"] = f"{row['data']} and {label}".removeprefix(" and ")
            texts = dict.fromkeys(str(text) for text in data["trained_on"].values[i].ravel() if text)
            row["trained_on"] = row["trained_on"] or " and ".join(texts)
    for config in asked:
        if config not in rows:
            raise InputError(f"--row: the run has no {config!r}; it has {', '.join(rows)}")
    chosen = asked or [config for config, row in rows.items() if row["method"] not in controls]
    return [rows[config] for config in dict.fromkeys(chosen)]
