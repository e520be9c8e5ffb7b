"""The end of a run: what came of it is written and told of, but what would be the same is not written again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctpbench.cli.group import console
from ctpbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from ctpbench.plugins import Catalogue
    from ctpbench.report.receipt import Receipt
    from ctpbench.running.store import Finished, Store

_LONGEST = 300  # characters of a message; the log has the whole
_MOST_FAULTS = 50
"""Lines about what failed, of each kind."""
_PAGES = "report"
"""The folder of pages for a browser, in a run's folder."""


class Ending:
    """The end of one run; `report` asks for pictures and pages too."""

    def __init__(self, catalogue: Catalogue, *, report: bool) -> None:
        self._catalogue, self._report = catalogue, report
        self._screen = console()
        self._receipt: Receipt | None = None
        self._frame: pd.DataFrame | None = None
        self._written: list[Path] = []
        self._board = ""

    def results(self, store: Store) -> None:
        """Write results, leaderboards and pictures, and print the leaderboard: while the run holds the folder."""
        from ctpbench.report.receipt import Receipt
        from ctpbench.report.site.kinds import kinds_of

        self._receipt = Receipt(store, kinds_of(self._catalogue))
        if not store.damaged and self._receipt.stands(pages=self._report):
            self._stand(store.folder, self._receipt)
        else:
            self._write(store)

    def pages(self, folder: Path) -> None:
        """Write the pages where they are asked for, and sign for all that was written, once the folder is free."""
        if self._receipt is None or self._frame is None:
            return
        if self._report and not self._write_pages(folder, self._frame):
            return
        self._receipt.sign(self._written, self._kind, self._board, pages=self._report)

    @property
    def _kind(self) -> str:
        """What decides how the leaderboard is printed."""
        return f"{self._screen.width} {self._screen.color_system} {self._screen.encoding}"

    def _stand(self, folder: Path, receipt: Receipt) -> None:
        """Print the leaderboard as it was, and that nothing has changed."""
        board = receipt.board(self._kind)
        if board is None:
            from ctpbench.outcome.leaderboard import leaderboard
            from ctpbench.outcome.results import open_results

            board = self._printed(leaderboard(open_results(folder / "results.nc")))
            receipt.add_board(self._kind, board)
        click.echo(board, nl=False)
        click.echo(f"Nothing has changed since {receipt.since}: what was written to {folder} then stands.")

    def _write(self, store: Store) -> None:
        from ctpbench.report.folder import WRITTEN, agreement_line, render

        folder = store.folder
        self._frame = render(store)
        drawn = self._drawn(store, self._frame) if self._report else []
        self._board = self._printed(self._frame)
        self._written = [*(folder / name for name in WRITTEN), *drawn]
        click.echo(self._board, nl=False)
        for path, wrong in store.damaged.items():
            click.echo(f"damaged: {path}: {wrong}; computed again")
        names = ["results.nc", "leaderboard.md, .csv, .json", *(str(p.relative_to(folder)) for p in drawn)]
        click.echo(f"Written to {folder}: {', '.join(names)}")
        if line := agreement_line(folder):
            click.echo(line)

    def _drawn(self, store: Store, frame: pd.DataFrame) -> list[Path]:
        from ctpbench.report.drawing import draw

        return draw(store, frame)

    def _printed(self, frame: pd.DataFrame) -> str:
        """Return the leaderboard as the screen shows it."""
        from ctpbench.report.tables import print_table

        with self._screen.capture() as captured:
            print_table(frame, self._screen, failures=False)
        return captured.get()

    def _write_pages(self, folder: Path, frame: pd.DataFrame) -> bool:
        """Write the run's pages; that they cannot be written, for something else is there, is no fault of the run."""
        from ctpbench.cli.report import written  # here, for the order of commands is that of imports
        from ctpbench.report.site.folder import files_of

        try:
            written((folder,), folder / _PAGES, self._catalogue, frames={folder: frame})
        except InputError as error:
            click.echo(f"no report: {str(error).removeprefix('--out ')}")
            return False
        self._written += files_of(folder / _PAGES)
        return True


def print_faults(records: Finished, folder: Path) -> None:
    """Print what failed, and where its log is; of very much the first."""
    from ctpbench.driving import partial_faults
    from ctpbench.text import cut

    failed, partly, more = 0, dict[str, None](), 0
    for known in filter(None, records.summaries()):
        if known.status != "ok":
            failed += 1
            if failed <= _MOST_FAULTS:
                log = f" (log: {path})" if (path := folder / known.log).exists() else ""
                click.echo(f"{known.status}: {known.config}: {cut(known.message, _LONGEST)}{log}")
        for fault in partial_faults(known):
            if len(partly) < _MOST_FAULTS:
                partly[fault] = None
            else:
                more += fault not in partly
    if failed > _MOST_FAULTS:
        click.echo(f"... and {failed - _MOST_FAULTS} more cells; `ctpbench status {folder}` counts them")
    for fault in partly:
        click.echo(fault)
    if more:
        click.echo("... and more that failed in cells that went on; the leaderboard names them")
