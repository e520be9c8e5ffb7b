"""The command `ctpbench` itself: how its commands are listed, and errors shown as one line each."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ctpbench.errors import CtpbenchError, InputError

if TYPE_CHECKING:
    from rich.console import Console

FULL = "no space left on the disk; free some and give the same command again, finished cells are kept"
EXIT_WRONG, EXIT_FAILED_CELLS, EXIT_INTERRUPTED = 2, 3, 130


def console() -> Console:
    """A console as wide as the terminal; text that goes elsewhere is wide enough for the tables."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 110)


class _Group(click.Group):
    """Shows commands in the order people need them, and errors as one line each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CtpbenchError as error:
            click.echo(str(error) if isinstance(error, InputError) else f"ctpbench: {error}", err=True)
            sys.exit(EXIT_WRONG)
        except MemoryError as error:
            why = str(error).partition("\n")[0] or "more was asked for than there is"
            click.echo(f"ctpbench: not enough memory ({why}); is the file what it says it is?", err=True)
            sys.exit(EXIT_WRONG)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            click.echo(f"ctpbench: {FULL}", err=True)
            sys.exit(EXIT_WRONG)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: ctpbench run quick",
)
@click.version_option(package_name="ctpbench")
def main() -> None:
    """Benchmark CT-perfusion denoisers: datasets x noise levels x methods, to true leaderboards."""
