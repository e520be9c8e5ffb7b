"""What is called an option on the command line is a keyword in Python; a message says what its reader can type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ctpbench.errors import CtpbenchError

_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
_KEYWORDS = {"require_sandbox": "sandbox='required'", "into": "into=True"}


@contextmanager
def in_python(folder: str = "out") -> Iterator[None]:
    """Raise errors that a user can mend with the words of a call; `folder` is its keyword for where work goes."""
    try:
        yield
    except CtpbenchError as error:
        raise type(error)(keywords(str(error), folder)) from error.__cause__


def keywords(text: str, folder: str = "out") -> str:
    """Return a message for the command line as one for a call.

    >>> keywords("--out runs: holds other things; give a new folder, or --into to write beside them")
    'out runs: holds other things; give a new folder, or into=True to write beside them'
    """
    known = {**_KEYWORDS, "out": folder}
    return _OPTION.sub(lambda option: known.get(name := option[1].replace("-", "_"), name), text)
