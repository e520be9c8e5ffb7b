"""Measure what a run of very many cells takes beside its cells, and write it to scale.json, which the docs read.

``python benchmarks/scale.py`` measures at 1,000 and 10,000 no-op cells; ``--sizes 1000,10000,100000`` takes longer.
Each number is taken in a process of its own: see `measures`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from measures import MEASURES, measured
from noop import FAKES
from runs import slept, worked

from ctpbench.device import processor

HERE = Path(__file__).resolve().parent
WRITTEN = HERE / "scale.json"
FORMAT = 1
QUICK, MOST_SLOW = ("plan", "append", "reopen", "forecast"), 10_000
"""What is measured at more cells than this; the rest would take hours."""
RUNS = (("local", 1), ("local", 2), ("dask", 1), ("dask", 2), ("dask", 4))


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--sizes", default="1000,10000", show_default=True, help="Numbers of cells, hundreds, with commas.")
@click.pass_context
def main(context: click.Context, sizes: str) -> None:
    """Measure everything and write scale.json."""
    if context.invoked_subcommand:
        return
    report: dict[str, Any] = {
        "format": FORMAT,
        "hardware": f"{processor()}, {platform.system()}",
        "taken": datetime.now(UTC).date().isoformat(),
        "rates": [],
        "runs": [],
    }
    for what in MEASURES:
        wanted = [cells for cells in map(int, sizes.split(",")) if what in QUICK or cells <= MOST_SLOW]
        for cells in wanted[:1] if what == "processes" else wanted:
            report["rates"].append(alone("one", what, str(cells)))
    for executor, workers in RUNS:
        report["runs"].append(alone("sleep", executor, str(workers)))
    report["work"] = alone("work")
    report["load"] = [round(load, 1) for load in os.getloadavg()]
    WRITTEN.write_text(json.dumps(report, indent=1) + "\n")
    click.echo(f"Written to {WRITTEN.relative_to(HERE.parent)}.")


def alone(*words: str) -> Any:
    """Return what this program says when it is called with these words, in a process of its own."""
    paths = os.pathsep.join([str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])])
    call = [sys.executable, str(HERE / "scale.py"), *words]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": paths})
    line = done.stdout.splitlines()[-1]
    click.echo(line)
    return json.loads(line)


@main.command()
@click.argument("what", type=click.Choice(list(MEASURES)))
@click.argument("cells", type=int)
def one(what: str, cells: int) -> None:
    """Take one number and print it."""
    click.echo(json.dumps(measured(what, cells)))


@main.command()
@click.argument("executor", type=click.Choice(["local", "dask"]))
@click.argument("workers", type=int)
def sleep(executor: str, workers: int) -> None:
    """Run cells that sleep and print what they took."""
    click.echo(json.dumps(slept(executor, workers)))


@main.command()
def work() -> None:
    """Run a little of a board and print what a case took."""
    click.echo(json.dumps(worked()))


if __name__ == "__main__":
    main()
