"""Commands about what is installed: list, show, plugins, schema, check."""

from __future__ import annotations

import sys

import click

from ctpbench.cli.completers import complete_components, complete_packages
from ctpbench.cli.group import EXIT_FAILED_CELLS, console, main


@main.command("list", epilog="Example: ctpbench list")
def list_command() -> None:
    """List datasets, denoisers and metrics that are installed, suites that ship, and plugins that did not load."""

    from ctpbench.cli.kept import listing
    from ctpbench.report.listing import print_listing

    print_listing(listing(), console())


@main.command(epilog="Example: ctpbench show tips")
@click.argument("name", shell_complete=complete_components)
def show(name: str) -> None:
    """Show a component, its parameters and source.

    NAME is as `ctpbench list` has it. A name that two plugins offer shows both.
    """

    from ctpbench.plugins import load_catalogue
    from ctpbench.report.terminal import print_component

    print_component(load_catalogue(), name, console())


@main.command(epilog="Example: ctpbench plugins")
def plugins() -> None:
    """Say which plugins loaded, which did not, and why, and which names two of them share."""

    from ctpbench.plugins import load_catalogue
    from ctpbench.report.terminal import print_plugins

    print_plugins(load_catalogue(), console())


@main.command(epilog="Example: ctpbench schema > suite.schema.json")
def schema() -> None:
    """Print the JSON Schema of a suite.

    It knows the parameters of installed plugins, so that an editor can complete a suite.
    """
    import json

    from ctpbench.plugins import load_catalogue
    from ctpbench.suite.schema import suite_schema

    click.echo(json.dumps(suite_schema(load_catalogue()), indent=1))


@main.command(epilog="Example: ctpbench check my-denoiser")
@click.argument("package", shell_complete=complete_packages)
@click.option(
    "--noise",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    metavar="LEVEL",
    help="A noise level to load datasets at.",
)
def check(package: str, noise: tuple[float, ...]) -> None:
    """Check a plugin's components against their contracts. PACKAGE is a distribution or an import name."""

    from ctpbench.report.terminal import print_check
    from ctpbench.testing import check_package

    screen = console()
    results = check_package(package, noise=noise or (None,), progress=lambda result: print_check(result, screen))
    counts = [sum(result.passed for result in results), sum(result.skipped for result in results)]
    skipped = f", {counts[1]} skipped" if counts[1] else ""
    screen.print(f"{counts[0]} of {len(results)} checks passed{skipped}.")
    sys.exit(0 if sum(counts) == len(results) else EXIT_FAILED_CELLS)
