"""The command rescore."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ctpbench.cli.completers import complete_runs
from ctpbench.cli.group import EXIT_FAILED_CELLS, EXIT_INTERRUPTED, console, main


@main.command("rescore", epilog="Example: ctpbench rescore runs/quick -j 2")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN", shell_complete=complete_runs)
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells side by side.")
def rescore(run: Path, jobs: int) -> None:
    """Score a run's stored predictions anew with the metrics that are installed now.

    No method runs, nor need it be installed: for metrics whose version rose after a method was lost or changed. Where
    all methods are as they were, `ctpbench run` does the same. All cells are scored anew, or none. Tuned rows keep the
    parameters that were chosen. Exit codes: 0 all scored, 3 a metric failed.
    """
    from ctpbench import device
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.drawing import draw
    from ctpbench.report.folder import render
    from ctpbench.report.progress import listener
    from ctpbench.report.tables import print_table
    from ctpbench.running.executors.local import LocalExecutor
    from ctpbench.running.executors.protocol import Limits
    from ctpbench.running.options import Options
    from ctpbench.running.rescoring import raised, rescored, rescorings
    from ctpbench.running.runner import Runner
    from ctpbench.running.store import SUITE, Store
    from ctpbench.suite.load import load_scoring

    store = Store(run)
    index = store.index()
    metrics, resources = load_scoring(run / SUITE, load_catalogue())
    cells = rescorings(store, index, metrics)
    other = raised(index, metrics)
    if not other:
        click.echo(f"{run}: was scored with the metrics that are installed; nothing to do")
        return
    for label, how in other.items():
        click.echo(f"{label}: {how}")
    tuned = dict.fromkeys(
        f"{cell.record.config}: keeps the parameters that {by.metric} chose as it was"
        for cell in cells
        if (by := cell.record.tuned_by) and by.metric in other
    )
    limits = Limits.of(resources, device.resolve(resources.device), jobs)
    try:
        with store.locked(), LocalExecutor(limits) as executor, listener(console(), len(cells)) as listening:
            runner = Runner(store, executor, Options(jobs), listening)
            done = runner.carry_out([cell.undertaking() for cell in cells])
            store.write_plan(rescored(index, cells, metrics), (run / SUITE).read_text())
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; {run} is as it was; give the same command to go on", err=True)
        sys.exit(EXIT_INTERRUPTED)
    frame = render(store)
    draw(store, frame)
    print_table(frame, console())
    for line in tuned:
        click.echo(line)
    known = [summary for summary in done.summaries() if summary is not None]
    faults = dict.fromkeys(
        f"metric {label} failed in {each.config}: {why}" for each in known for label, why in each.faults.items()
    )
    for fault in faults:
        click.echo(fault)
    click.echo(f"Scored anew: {len(known)} cells, no method ran. Written to {run}")
    sys.exit(0 if all(each.whole for each in known) else EXIT_FAILED_CELLS)
