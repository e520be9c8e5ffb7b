"""The command new: a package with a component of one's own, or a suite."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.group import main
from ctpbench.errors import InputError, PluginError

if TYPE_CHECKING:
    from ctpbench.contract.component_check import Kind
    from ctpbench.plugins import Catalogue

_KINDS = {
    "denoiser": "A denoiser: frames in, frames out.",
    "learner": "A denoiser that learns from the training split.",
    "deconvolver": "A deconvolution, from AIF to residues.",
    "dataset": "A dataset: cases at noise levels, and their truth.",
    "metric": "A metric: a score of a case.",
}


@main.group("new", epilog="Example: ctpbench new denoiser my-denoiser")
def new() -> None:
    """Begin: a package with a component of your own, or a suite."""


def _add_package(kind: str, text: str) -> None:
    """Add the command that writes a package of a kind."""

    @new.command(
        kind,
        short_help=text,
        help=f"{text} Writes a package of it that works as it stands, with its test, README and suite.",
        epilog=f"Example: ctpbench new {kind} my-{kind}",
    )
    @click.argument("name")
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The package's folder, new or empty; default: NAME.",
    )
    def command(name: str, out: Path | None) -> None:
        from ctpbench.plugins import load_catalogue
        from ctpbench.scaffolds.package import SCAFFOLDS, new_package

        names, folder = new_package(kind, name, load_catalogue(), out)
        files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        click.echo(f"Written to {folder}: {', '.join(sorted(files))}")
        click.echo("It works as it stands. Next:")
        for line in (
            f"cd {shlex.quote(str(folder))}",
            "pip install -e .",
            f"ctpbench check {names.distribution}{SCAFFOLDS[kind].check_options}",
            "pytest",
            "ctpbench run suite.yaml",
        ):
            click.echo(f"  {line}")


for _kind, _text in _KINDS.items():
    _add_package(_kind, _text)


@new.command(
    "suite", epilog="Example: ctpbench new suite mine --dataset phantom --noise 2e5 --method tips --metric rmse"
)
@click.argument("name", required=False)
@click.option("--dataset", "datasets", multiple=True, metavar="ITEM", help="A dataset. Repeatable.")
@click.option(
    "--noise", multiple=True, metavar="LEVEL", help="A noise level of each dataset given by name. Repeatable."
)
@click.option("--method", "methods", multiple=True, metavar="ITEM", help="A row of the board. Repeatable.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="ITEM", help="A metric; default: all installed. Repeatable."
)
@click.option("--no-controls", is_flag=True, help="Without the rows none and, at noise levels, noiseless.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The file; default: NAME.yaml.")
def suite_command(
    name: str | None,
    datasets: tuple[str, ...],
    noise: tuple[str, ...],
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    no_controls: bool,
    out: Path | None,
) -> None:
    """A suite, from flags or your answers on a terminal.

    An ITEM is a component's name, as `ctpbench list` has it, or what a suite may hold in its place, as in '{name:
    gaussian, grid: {sigma_px: [1, 2]}}'.
    """
    from ctpbench.plugins import load_catalogue
    from ctpbench.scaffolds.suite import Answers, new_suite

    catalogue = load_catalogue()
    if not (name and datasets and methods):
        if not _on_terminal():
            raise InputError("new suite: needs NAME, --dataset and --method; give them, or ask for it on a terminal")
        name = name or click.prompt("Name of the suite", default="mine")
        if not datasets:
            datasets = _asked("Datasets", "dataset", catalogue)
            noise = noise or _levels()
        methods = methods or _asked("Methods", "denoiser", catalogue)
        metrics = metrics or _asked("Metrics", "metric", catalogue, default="all")
    answers = Answers(str(name).removesuffix(".yaml"), datasets, methods, metrics, noise, not no_controls)
    suite, path = new_suite(answers, catalogue, out)
    rows = ", ".join(row.label for row in suite.denoisers)
    click.echo(f"Written to {path}. Its rows: {rows}. Next:")
    for command in ("plan", "run"):
        click.echo(f"  ctpbench {command} {shlex.quote(str(path))}")


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _asked(what: str, kind: Kind, catalogue: Catalogue, default: str | None = None) -> tuple[str, ...]:
    """Ask for components of a kind until all of them are installed; none stand for the default."""

    def read(written: str) -> tuple[str, ...]:
        if written == default:
            return ()
        names = _split(written)
        try:
            for name in names:
                catalogue.find(kind, name)
        except PluginError as error:
            raise click.UsageError(str(error)) from None
        return names

    click.echo(f"{what}: {', '.join(catalogue.named(kind))}")
    return _prompt("Which, with commas between", default, read)


def _levels() -> tuple[str, ...]:
    def read(written: str) -> tuple[str, ...]:
        levels = () if written == "none" else _split(written)
        try:
            wrong = [level for level in levels if not float(level) > 0]
        except ValueError:
            wrong = [written]
        if wrong:
            raise click.UsageError(f"got {', '.join(wrong)}; allowed: numbers above 0, as in 1e5, 2e5, or none")
        return levels

    return _prompt("Noise levels, with commas between", "none", read)


def _prompt(question: str, default: str | None, read: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    answer: tuple[str, ...] = click.prompt(question, default=default, value_proc=read)
    return answer


def _split(written: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in written.split(",")) if part)
