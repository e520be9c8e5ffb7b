"""Time every kernel beside its peers, print the ratios, and set them against the committed ones.

A ratio, peer's time over ours in the same run, travels between machines; a time does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from machine import Machine, Work, measured

from ctpbench.running.executors.local import IDLE_THREADS

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
LATEST = HERE.parent / ".benchmarks" / "latest.json"
FORMAT = 2
WORSE = 1.3  # ours against a peer, then over now: beyond it a row is flagged
PACKAGES = ("ctpbench", "numpy", "scipy", "numba", "torch")
Report = dict[str, Any]
Row = dict[str, Any]


class Failure(click.ClickException):
    """One line on stderr and exit 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Time every kernel beside its peers."""


@main.command()
@click.option("--save", is_flag=True, help="Also write baseline.json, which is committed.")
def run(save: bool) -> None:
    """Time everything, print the table and write .benchmarks/latest.json."""
    report = measure([HERE])
    print_report(report)
    for path in (LATEST, BASELINE) if save else (LATEST,):
        write(report, path)
        click.echo(f"Written to {path.relative_to(HERE.parent)}.")


@main.command()
def compare() -> None:
    """Time everything and set the ratios against baseline.json; exit 1 where one is worse by more than 30%.

    What seems worse is timed once more, and its better ratio counts.
    """
    baseline = read(BASELINE)
    report = measure([HERE])
    suspects = [row for row, then in pairs(report, baseline) if then and is_worse(row, then)]
    if suspects:
        files = sorted({HERE / row["file"] for row in suspects})
        click.echo(f"Rows that seem worse: {len(suspects)}. Timed once more: {', '.join(file.name for file in files)}.")
        report["rows"] = keep_better(report["rows"], measure(files)["rows"])
    write(report, LATEST)
    worse = print_comparison(report, baseline)
    if worse:
        click.echo(
            f"Rows worse by more than {WORSE - 1:.0%}: {worse}. On a busy machine, compare again when it is idle."
        )
        sys.exit(1)


def measure(targets: Sequence[Path]) -> Report:
    """Run the benchmarks below `targets` in a process of their own and return what they took."""
    needed = ("pytest_benchmark", "cv2", "ctpbench_phantom", "ctpbench_unet")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise Failure(f"{', '.join(missing)}: not installed; use `make bench`, which sets everything up")
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "benchmarks.json"
        options = ["--benchmark-enable", "--benchmark-quiet", f"--benchmark-json={out}", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *map(str, targets), *options]
        if subprocess.run(command, cwd=HERE.parent, env={**os.environ, **IDLE_THREADS}).returncode:
            raise Failure("a benchmark failed (above): no times are shown until all answers agree")
        raw = json.loads(out.read_text())
    machine = measured()
    cpu = raw["machine_info"]["cpu"]
    return {
        "format": FORMAT,
        "hardware": f"{cpu.get('brand_raw', 'unknown CPU')}, {cpu.get('count', '?')} cores",
        "versions": {
            "python": raw["machine_info"]["python_version"],
            **{name: version(name) for name in PACKAGES},
            "opencv": cv2.__version__,
        },
        "taken": raw["datetime"][:10],
        "machine": asdict(machine),
        **contests(raw["benchmarks"], machine),
    }


def contests(benchmarks: Iterable[Row], machine: Machine) -> dict[str, list[Row]]:
    """Return a row for each peer of each group, one for each whole method, and one for each limit."""
    groups: dict[str, dict[str, Row]] = {}
    for benchmark in benchmarks:
        facts = benchmark["extra_info"]
        if "who" not in facts:  # no contest: it keeps its own numbers
            continue
        file = Path(benchmark["fullname"].split("::")[0]).name
        timed = {**facts, "file": file, "ms": 1e3 * benchmark["stats"]["min"] / facts["images"]}
        groups.setdefault(benchmark["group"], {})[facts["who"]] = timed
    rows, methods, limits = [], [], []
    for group in groups.values():
        ours = group.pop("ours")
        if "goal_ms" in ours:
            methods.append({key: ours[key] for key in ("task", "size", "ms", "goal_ms", "paper_ms")})
        if "work" in ours:
            least = machine.limit_ms(Work(**ours["work"]))
            limits.append({key: ours[key] for key in ("task", "size", "ms", "work")} | {"limit_ms": least})
        for name, peer in group.items():
            row = {key: ours[key] for key in ("task", "size", "file")}
            rows.append(row | {"ours_ms": ours["ms"], "peer": name, "peer_ms": peer["ms"], "checked": peer["checked"]})
    return {"rows": rows, "methods": methods, "limits": limits}


def ratio(row: Row) -> float:
    return row["peer_ms"] / row["ours_ms"]


def is_worse(now: Row, then: Row) -> bool:
    return ratio(then) > WORSE * ratio(now)


def identity(row: Row) -> tuple[str, str, str]:
    return row["task"], row["size"], row["peer"]


def pairs(report: Report, baseline: Report) -> list[tuple[Row, Row | None]]:
    """Return each row with the baseline's, None where it has none."""
    known = {identity(row): row for row in baseline["rows"]}
    return [(row, known.get(identity(row))) for row in report["rows"]]


def keep_better(rows: Iterable[Row], again: Iterable[Row]) -> list[Row]:
    """Return the rows, each as it was timed with the better ratio."""
    second = {identity(row): row for row in again}
    return [max(row, second.get(identity(row), row), key=ratio) for row in rows]


def print_report(report: Report) -> None:
    """Print the machine, the contests and the whole methods."""
    header = ["task", "size", "ours ms", "peer", "peer ms", "peer/ours", "checked"]
    lines = [
        [
            row["task"],
            row["size"],
            ms(row["ours_ms"]),
            row["peer"],
            ms(row["peer_ms"]),
            f"{ratio(row):.3g}",
            row["checked"],
        ]
        for row in report["rows"]
    ]
    print_machine(report)
    print_table(header, lines, right={2, 4, 5})
    click.echo("\nWhole methods, maps included. The paper's times are its table III's, of another machine.")
    lines = [
        [row["task"], row["size"], ms(row["ms"]), ms(row["goal_ms"]), met(row), ms(row["paper_ms"])]
        for row in report["methods"]
    ]
    print_table(["", "size", "ours ms", "goal ms", "", "paper ms"], lines, right={2, 3, 5})
    reached = report["machine"]
    click.echo(
        f"\nHow fast this machine could be: {reached['gb_s']:.3g} GB/s read and written by a copy, "
        f"{reached['gflop_s']:.3g} GFLOP/s by a product of matrices."
    )
    lines = [
        [
            row["task"],
            row["size"],
            ms(row["ms"]),
            f"{row['work']['moved_mb']:.3g}",
            f"{row['work']['gflop']:.3g}",
            ms(row["limit_ms"]),
            f"{row['ms'] / row['limit_ms']:.2g}",
        ]
        for row in report["limits"]
    ]
    print_table(["task", "size", "ours ms", "MB", "GFLOP", "limit ms", "ours/limit"], lines, right={2, 3, 4, 5, 6})


def print_comparison(report: Report, baseline: Report) -> int:
    """Print the ratios beside the baseline's and return how many are worse."""
    header = ["task", "size", "peer", "peer/ours", "baseline", "now/then", ""]
    lines, worse = [], 0
    for row, then in pairs(report, baseline):
        start = [row["task"], row["size"], row["peer"], f"{ratio(row):.3g}"]
        if then is None:
            lines.append([*start, "", "", "new"])
            continue
        flagged = is_worse(row, then)
        worse += flagged
        change = f"{ratio(row) / ratio(then):.2f}"
        lines.append([*start, f"{ratio(then):.3g}", change, "WORSE" if flagged else ""])
    timed = {identity(row) for row in report["rows"]}
    for then in baseline["rows"]:
        if identity(then) not in timed:
            lines.append([then["task"], then["size"], then["peer"], "", f"{ratio(then):.3g}", "", "gone"])
    print_machine(baseline, "baseline: ")
    print_machine(report, "now:      ")
    print_table(header, lines, right={3, 4, 5})
    return worse


def print_machine(report: Report, label: str = "") -> None:
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    click.echo(f"{label}{report['hardware']}; {versions}; {report['taken']}")


def print_table(header: Sequence[str], lines: Iterable[Sequence[str]], right: set[int]) -> None:
    """Print columns as wide as they need to be, those of numbers to the right."""
    table = [header, *lines]
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    for line in table:
        cells = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        click.echo("  ".join(cells).rstrip())


def ms(value: float) -> str:
    """Return milliseconds with three digits, or all that stand before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def met(row: Row) -> str:
    return "met" if row["ms"] <= row["goal_ms"] else "missed"


def write(report: Report, path: Path) -> None:
    """Write a report, its numbers with four digits."""
    path.parent.mkdir(exist_ok=True)
    rounded = json.loads(json.dumps(report), parse_float=lambda text: float(f"{float(text):.4g}"))
    path.write_text(json.dumps(rounded, indent=1) + "\n")


def read(path: Path) -> Report:
    """Return a committed report, or fail saying how to write one."""
    again = "write it with `python benchmarks/table.py run --save`"
    try:
        report: Report = json.loads(path.read_text())
    except FileNotFoundError:
        raise Failure(f"{path}: missing, so there is nothing to compare with; {again}") from None
    except ValueError as error:
        raise Failure(f"{path}: unreadable ({error}); {again}") from None
    if report.get("format") != FORMAT:
        raise Failure(f"{path}: got format {report.get('format')}; allowed: {FORMAT}; {again}")
    return report


if __name__ == "__main__":
    main()
