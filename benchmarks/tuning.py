"""Measure what stopping early saves of tuning: processor time of a suite's tuned rows, with it and without.

A first run makes all that is the same for both: data, noiseless maps, compiled kernels, and the scores of the test
split. Then each row is tuned in folders of its own, with no score of a trial to be had from another run. Example:
``benchmarks/tuning.py ctpbench/suites/quick/suite.yaml tips ttv --noise 2e5``.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import xarray as xr
import yaml

from ctpbench.outcome.tuning import tunings

_SUBREAPER = 36  # of prctl: whose parent has ended comes to this process, and so does what it took
PROGRAM = "from ctpbench.cli import main; main(prog_name='ctpbench')"


@dataclass(frozen=True)
class Tuned:
    """What tuning a row took, on how many of how many cases trials were scored, and what came of it."""

    cpu_s: float
    cases: int
    of: int
    chosen: list[str]
    scores: list[bytes]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("suite", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("rows", nargs=-1, required=True)
@click.option("--noise", help="This level alone.")
def main(suite: Path, rows: tuple[str, ...], noise: str | None) -> None:
    """Tune each of ROWS of SUITE, stopping early and not, and print what either took."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    folder = Path(tempfile.mkdtemp(prefix="ctpbench-tuning-"))
    try:
        for row in rows:
            suites = {early: written(suite, row, noise, folder / f"{early}.yaml", early) for early in (True, False)}
            tuned(suites[True], folder)
            early, whole = (tuned(suites[which], folder) for which in (True, False))
            same = "same choice and scores" if (early.chosen, early.scores) == (whole.chosen, whole.scores) else "OTHER"
            click.echo(
                f"{row}: {early.cases} of {early.of} cases; {early.cpu_s:.1f} of {whole.cpu_s:.1f} CPU s, "
                f"{early.cpu_s / whole.cpu_s:.2f} times; {same}"
            )
    finally:
        shutil.rmtree(folder)


def written(suite: Path, row: str, noise: str | None, path: Path, early: bool) -> Path:
    """Write a suite of one row, beside which nothing is tuned."""
    text: dict[str, Any] = yaml.safe_load(suite.read_text())
    rows = [each for each in text["denoisers"] if isinstance(each, dict) and each.get("label", each["name"]) == row]
    if not rows or "tune" not in rows[0]:
        raise click.ClickException(f"{suite}: has no tuned row {row!r}")
    rows[0]["tune"]["stop_early"] = early
    text["denoisers"] = rows
    text.pop("exclude", None)
    if noise is not None:
        text["datasets"][0]["noise"] = [noise]
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    return path


def tuned(suite: Path, folder: Path) -> Tuned:
    """Run a suite in a folder of its own, which takes no score from another run; return what it took."""
    cache, out = folder / "cache", folder / "run"
    shutil.rmtree(cache / "scores", ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    before = cpu_s()
    words = ["run", str(suite), "--out", str(out), "--cache", str(cache), "--no-report"]
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.DEVNULL, check=False)
    if ended.returncode:
        raise click.ClickException(f"{suite.name}: ended with {ended.returncode}")
    took_s = cpu_s() - before
    with xr.open_datatree(out / "results.nc", engine="h5netcdf") as tree:
        trials = [
            trial
            for node in tree.children.values()
            for tuning in tunings(node).values()
            for of_seed in tuning.trials.values()
            for trial in of_seed
        ]
        datas = [node.to_dataset(inherit=False) for node in tree.children.values()]
        chosen = [str(text) for data in datas for text in data["tuned_parameters"].values.ravel()]
        tables = [table for data in datas for table in data.data_vars.values() if "better" in table.attrs]
        scores = [table.values.tobytes() for table in tables]
    done, total = (sum(getattr(trial, name) or 0 for trial in trials) for name in ("scored_on", "cases"))
    return Tuned(took_s, done, total, chosen, scores)


def cpu_s() -> float:
    """Return the processor time of all that was started and has ended."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
