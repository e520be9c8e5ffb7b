"""How the writers of all formats report that a file cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctpbench import DataError

if TYPE_CHECKING:
    from pathlib import Path


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn an OSError of the block into a DataError that names what was to be written."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror})") from error
