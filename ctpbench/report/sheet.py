"""A sheet of images on black: a column for each method, a row for each map, in as many bands as keep it narrow.

Places are in pixels of the picture, and a pixel of an image is a whole number of them: nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctpbench.arrays import Array, Mask, UInt8
from ctpbench.atomic import replacing
from ctpbench.report.colours import lookup
from ctpbench.text import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160
_LEFT, _RIGHT, _GAP, _LINE = 60, 140, 10, 25
_SIZES = ((6, 360), (18, 240))  # up to so many columns are about so many pixels wide
_SMALLEST = 180
_WIDEST = 2600  # pixels of a picture, unless its images themselves are wider
_BAR, _DASH = 18, 6  # pixels of a colour bar's width, and of a dash
_FAINT = "0.7"
_CHARACTER = 12  # pixels of a letter of a column's label
_LETTER = 15  # and of one of the title


@dataclass(frozen=True, eq=False)
class Row:
    """One map in every column, in one window.

    Attributes
    ----------
    name, units : str
        What stands at the left, and by the colour bar.
    images : sequence of (y, x) arrays or None
        One for each column; None leaves it blank.
    colours : str
        See `ctpbench.report.colours.lookup`.
    limits : (float, float)
        The least and the greatest value that the colours tell apart.
    notes : sequence of str
        What stands above each image; nothing where it is empty.
    """

    name: str
    units: str
    images: Sequence[Array | None]
    colours: str
    limits: tuple[float, float]
    notes: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Marks:
    """What is drawn over the images.

    Attributes
    ----------
    sides : bool
        Whether the patient's right is known to lie at the left: then each image says R and L.
    outlines : sequence of (str, mask, str)
        Regions, (y, x), with their names and matplotlib's line styles.
    """

    sides: bool = False
    outlines: Sequence[tuple[str, Mask, str]] = ()

    @property
    def legend(self) -> str:
        """What the marks mean, in a line; nothing where there is none."""
        drawn = [f"{name} ({_STYLES[style]} outline)" for name, mask, style in self.outlines if mask.any()]
        parts = [f"Truth: {', '.join(drawn)}."] if drawn else []
        return " ".join([*parts, *(["R, L: the patient's right and left."] if self.sides else [])])


_STYLES = {"-": "solid", "--": "dashed"}


def draw_sheet(
    labels: Sequence[str], rows: Sequence[Row], inside: Mask, title: str, path: Path, marks: Marks, keep: int = 0
) -> None:
    """Write a PNG of a sheet.

    Parameters
    ----------
    labels : sequence of str, at least one
        Of the columns.
    rows : sequence of Row
    inside : ndarray, (y, x), bool
        What is shown of the images; the rest is black, and cut away at the edges.
    title : str
    path : Path
        Replaced whole or not at all.
    marks : Marks
    keep : int
        So many of the last columns close every band, for the others to be held against.
    """
    sheet = _Sheet(labels, rows, inside, title, marks, keep)
    picture = sheet.picture()
    from matplotlib.image import imsave

    with replacing(path) as temporary:
        imsave(temporary, picture, format="png", dpi=DPI)


def bounding_box(inside: Mask, margin: int = 2) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask, with a margin in pixels; all of them where it is empty."""
    if not inside.any():
        return slice(None), slice(None)
    ends = [np.flatnonzero(inside.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (slice(max(int(a) - margin, 0), int(b) + 1 + margin) for a, b in ends)
    return rows, columns


def outline(mask: Mask, scale: int) -> Mask:
    """Return the inner edge of a mask that is enlarged to `scale` pixels a voxel, (y scale, x scale), two pixels wide.

    Furrows and holes of one voxel are passed over: where fluid is no tissue, the edge would hide what it goes around.
    """
    from scipy import ndimage

    whole = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(mask, 1), np.ones((3, 3), dtype=bool)))[1:-1, 1:-1]
    large = np.repeat(np.repeat(whole, scale, axis=0), scale, axis=1)
    return np.asarray(large & ~ndimage.binary_erosion(large, iterations=2, border_value=0))


class _Sheet:
    """Where everything lies on a sheet."""

    def __init__(
        self, labels: Sequence[str], rows: Sequence[Row], inside: Mask, title: str, marks: Marks, keep: int
    ) -> None:
        self._rows, self._inside, self._marks = rows, inside, marks
        self._box = bounding_box(inside)
        tall, wide = inside[self._box].shape
        target = next((size for most, size in _SIZES if len(labels) <= most), _SMALLEST)
        self._scale: int = max(1, round(target / wide))
        self._height: int = self._scale * tall
        self._width: int = self._scale * wide
        self._bands = list(_bands(len(labels), self._most, keep))
        self._labels = [_label(label, max(self._width // _CHARACTER, 12)) for label in labels]
        self._note = _LINE if any(row.notes for row in rows) else 0
        longest = max(map(len, self._bands))
        self._total_width = _LEFT + longest * (self._width + _GAP) + _RIGHT
        self._title = wrapped(title, max(self._total_width // _LETTER, 20))
        self._legend = wrapped(marks.legend, max(self._total_width // _CHARACTER, 20))
        self._top: int = _LINE * (1 + _lines(self._title) + _lines(self._legend))
        self._heads = [_LINE * (1 + max(_lines(self._labels[i]) for i in band)) for band in self._bands]
        total = self._top + sum(self._heads) + len(self._bands) * len(rows) * self._step
        self._canvas = np.zeros((total, self._total_width, 3), dtype=np.uint8)
        self._outlines = [_dashed(outline(mask[self._box], self._scale), style) for _, mask, style in marks.outlines]

    @property
    def _step(self) -> int:
        """From one row to the next."""
        return self._height + _GAP + self._note

    @property
    def _most(self) -> int:
        """Columns of a band."""
        return max(1, (_WIDEST - _LEFT - _RIGHT) // (self._width + _GAP))

    def picture(self) -> UInt8:
        """Return the sheet, (y, x, 3): matplotlib writes the text, and would take long over the images."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        height, width = self._canvas.shape[:2]
        figure = Figure((width / DPI, height / DPI), dpi=DPI, facecolor="none")
        self._draw(figure)
        written = FigureCanvasAgg(figure)
        written.draw()
        text = np.asarray(written.buffer_rgba())[:height, :width]
        there = text[..., 3].nonzero()
        share = text[..., 3:][there] / 255
        self._canvas[there] = (share * text[..., :3][there] + (1 - share) * self._canvas[there]).round()
        return self._canvas

    def _draw(self, figure: Figure) -> None:
        width = self._canvas.shape[1]
        _write(figure, width / 2, 0.7 * _LINE, self._title, fontsize=12, weight="bold", va="top")
        below = _LINE * (1.1 + _lines(self._title))
        _write(figure, width / 2, below, self._legend, fontsize=8, color=_FAINT, va="top")
        y = self._top
        for band, head in zip(self._bands, self._heads, strict=True):
            y += head
            for column, place in enumerate(band):
                x = self._left(column) + self._width / 2
                _write(figure, x, y - 0.4 * _LINE, self._labels[place], fontsize=9, va="bottom")
            for row in self._rows:
                self._draw_row(figure, row, band, y + self._note)
                y += self._step

    def _left(self, column: int) -> int:
        return _LEFT + column * (self._width + _GAP)

    def _draw_row(self, figure: Figure, row: Row, band: Sequence[int], top: int) -> None:
        middle, table = top + self._height / 2, lookup(row.colours)
        _write(figure, _LEFT / 2, middle, row.name, fontsize=11, weight="bold", rotation=90)
        for column, place in enumerate(band):
            values = row.images[place]
            if values is None:
                continue
            left = self._left(column)
            if row.notes:
                _write(figure, left + self._width / 2, top - 12, row.notes[place], fontsize=8)
            image = np.where(self._inside, values, np.nan)[self._box]
            self._canvas[top : top + self._height, left : left + self._width] = self._marked(row, image, table)
            if self._marks.sides:
                _write(figure, left + 3, top + 3, "R", fontsize=8, ha="left", va="top")
                _write(figure, left + self._width - 3, top + 3, "L", fontsize=8, ha="right", va="top")
        self._draw_bar(figure, row, table, (self._left(len(band)), top))

    def _marked(self, row: Row, image: Array, table: UInt8) -> UInt8:
        """Return an image in colour, enlarged, with the outlines on it; black where it is no number."""
        low, high = row.limits
        places = np.clip((np.nan_to_num(image) - low) / (high - low) * 256, 0, 255).astype(np.intp)
        coloured = np.where(np.isfinite(image)[..., np.newaxis], table[places], np.uint8(0))
        large = np.repeat(np.repeat(coloured, self._scale, axis=0), self._scale, axis=1)
        for line in self._outlines:
            large[line] = 255
        return np.asarray(large)

    def _draw_bar(self, figure: Figure, row: Row, table: UInt8, corner: tuple[int, int]) -> None:
        from matplotlib.ticker import MaxNLocator

        left, top, height = corner[0] + _GAP, corner[1] + self._height // 10, self._height * 8 // 10
        shades = table[np.linspace(255, 0, height).round().astype(np.intp)]
        self._canvas[top : top + height, left : left + _BAR] = shades[:, np.newaxis]
        low, high = row.limits
        for tick in MaxNLocator(nbins=4).tick_values(low, high):
            y = top + (high - tick) / (high - low) * height
            if top - 1 <= y <= top + height + 1:
                text = f"{0.0 if abs(tick) < 1e-9 * (high - low) else tick:g}"
                _write(figure, left + _BAR + 8, y, text, fontsize=8, color=_FAINT, ha="left")
        _write(figure, left + _RIGHT - _GAP - 24, top + height / 2, row.units, fontsize=9, color=_FAINT, rotation=90)


def _dashed(line: Mask, style: str) -> Mask:
    """Return an outline with gaps where its style has such."""
    if style == "-":
        return line
    y, x = np.indices(line.shape)
    return np.asarray(line & ((x + y) // _DASH % 2 == 0))


def _bands(columns: int, most: int, keep: int) -> Iterator[list[int]]:
    """Yield the columns of each band, as many in each as in the others; the last `keep` stand in every one."""
    kept = list(range(columns - keep, columns)) if columns > most > keep else []
    own = columns - len(kept)
    room = most - len(kept)
    count = -(-own // room)
    each = -(-own // count)
    for first in range(0, own, each):
        yield [*range(first, min(first + each, own)), *kept]


def _label(text: str, characters: int) -> str:
    """Return a column's label in lines: parameters stand in lines of their own where it is too long for one."""
    return wrapped(text if len(text) <= characters else text.replace("(", "\n("), characters)


def _lines(text: str) -> int:
    return text.count("\n") + 1 if text else 0


def _write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Write text at a place in pixels from the upper left; labels are the user's: a dollar sign is no mathematics."""
    width, height = figure.get_size_inches() * DPI
    place = {"ha": "center", "va": "center", "color": "white", "parse_math": False, **style}
    figure.text(x / width, 1 - y / height, text, **place)
