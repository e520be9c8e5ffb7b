"""How values are written for people: noise levels, parameters, and the name that was probably meant."""

from __future__ import annotations

import difflib
import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def noise_text(noise: float) -> str:
    """Return a noise level as people write it.

    >>> noise_text(200000), noise_text(0.25)
    ('2e5', '0.25')
    """
    mantissa, exponent = f"{noise:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}" if abs(int(exponent)) > 3 else f"{noise:g}"


@dataclass(frozen=True)
class NoiseAxis:
    """What the noise levels of a dataset are: the sign they go by and their units; see `ctpbench.Dataset`.

    Both are empty where nobody says, as in results of older versions.
    """

    symbol: str = ""
    units: str = ""


UNKNOWN_AXIS = NoiseAxis()


def noise_column(noise: float | None, axis: NoiseAxis = UNKNOWN_AXIS) -> str:
    """Return a noise level as a column of a table shows it: ``-`` where there is none (None or NaN).

    >>> noise_column(2e5, NoiseAxis("N0", "photons a ray")), noise_column(2e5), noise_column(None)
    ('N0 = 2e5', '2e5', '-')
    """
    if noise is None or math.isnan(noise):
        return "-"
    return f"{axis.symbol} = {noise_text(noise)}" if axis.symbol else noise_text(noise)


def noise_words(noise: float, axis: NoiseAxis = UNKNOWN_AXIS) -> str:
    """Return a noise level with what it is.

    >>> noise_words(0.5, NoiseAxis("dose", "of the scan's")), noise_words(2e5)
    ("dose = 0.5 of the scan's", 'noise 2e5')
    """
    return f"{noise_column(noise, axis)} {axis.units}".rstrip() if axis.symbol else f"noise {noise_text(noise)}"


def level_text(dataset: str, noise: float | None, axis: NoiseAxis = UNKNOWN_AXIS) -> str:
    """Return what a dataset at a noise level is called.

    >>> level_text("phantom", 2e5, NoiseAxis("N0", "photons a ray"))
    'phantom, N0 = 2e5 photons a ray'
    >>> level_text("phantom", 2e5), level_text("isles2018", None)
    ('phantom, noise 2e5', 'isles2018')
    """
    return dataset if noise is None or math.isnan(noise) else f"{dataset}, {noise_words(noise, axis)}"


def shown(value: Any) -> str:
    """Return a value as a person would write it in YAML, cut to 60 characters.

    >>> shown(None), shown(2.0), shown("text"), shown([1, 2])
    ('null', '2', "'text'", '[1, 2]')
    """
    plain = whole(value)
    text = repr(plain) if isinstance(plain, str | float) else json.dumps(plain, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def value_text(value: Any, *, short: bool = False) -> str:
    """Return a parameter's value as labels and tables show it; `short` cuts numbers to six digits."""
    if isinstance(value, str):
        return value
    return f"{value:g}" if short and isinstance(value, float) else shown(value)


def parameters_text(values: Mapping[str, Any], *, short: bool = False) -> str:
    """Return parameters as labels and tables show them.

    >>> parameters_text({"sigma_t_hu": 5.0, "window": "hann"})
    'sigma_t_hu=5, window=hann'
    """
    return ", ".join(f"{name}={value_text(value, short=short)}" for name, value in values.items())


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``" (did you mean X?)"`` with the option nearest to a name, or nothing where none is near.

    >>> did_you_mean("sigma_T", ["sigma_t_hu", "window"])
    ' (did you mean sigma_t_hu?)'
    """
    folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    if not near:
        near = sorted(option for option in folded if len(name) > 2 and option.startswith(name.casefold()))[:1]
    return f" (did you mean {folded[near[0]]}?)" if near else ""


def plain_text(text: str, longest: int) -> str:
    """Return text that JSON, HDF5 and a terminal can show, cut to so many characters.

    A crashed process may leave NULs and halves of characters in a message, a method whatever it likes.

    >>> plain_text("caf\\udcff \\x1b[31mred", 12)
    'caf? [31mred'
    """
    clean = text.encode("utf-8", "replace").decode("utf-8")
    shown = "".join(character for character in clean if character in "\n\t" or not _CONTROL.match(character))
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def cut(text: str, longest: int) -> str:
    """Return text in one line of at most so many characters.

    >>> cut("a long\\nlabel", 8)
    'a long …'
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def wrapped(text: str, characters: int) -> str:
    """Return text in lines of at most so many characters; longer words are broken.

    >>> wrapped("a long label", 6).splitlines()
    ['a long', 'label']
    """
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, characters))


def in_brackets(units: str) -> str:
    """Return units as they stand behind a title; nothing where there are none.

    >>> in_brackets("HU"), in_brackets("")
    (' (HU)', '')
    """
    return f" ({units})" if units else ""


def size_text(size: float) -> str:
    """Return a number of bytes as people write it.

    >>> size_text(0), size_text(1530), size_text(415_200_000), size_text(23.4e9)
    ('0 B', '1.5 kB', '415 MB', '23 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.2g} {unit}" if 0 < size < 9.95 and unit != "B" else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2g} TB" if size < 9.95 else f"{size:.0f} TB"


def duration_text(seconds: float) -> str:
    """Return a time as people say it, in no more digits than they need.

    >>> duration_text(0.31), duration_text(48.2), duration_text(312), duration_text(9000), duration_text(400_000)
    ('0.31 s', '48 s', '5.2 min', '2.5 h', '4.6 days')
    """
    if seconds < 99.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    unit, length_s = ("min", 60) if seconds < 5970 else ("h", 3600) if seconds < 171_000 else ("days", 86400)
    amount = seconds / length_s
    return f"{amount:.2g} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())


def whole(value: Any) -> Any:
    """Return plain data in which ``128.0`` and ``1e5`` are whole numbers, fit for a count or a measure."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {key: whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list | tuple) else value
