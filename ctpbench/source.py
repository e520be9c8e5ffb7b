"""One file of code as it counts: a hash of what is parsed, and what it imports.

A Python file is hashed without docstrings: an edit of a comment or of a docstring changes no hash.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_hashed: dict[Path, str] = {}


@dataclass(frozen=True)
class Source:
    """A file: its hash, and the modules that it imports with the names taken from them; relative ones begin with dots.

    What only a type checker imports is left out. A file that is no Python, or cannot be parsed, counts by its bytes.
    """

    hash: str
    imports: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def top_level(self) -> set[str]:
        """The top-level names that it imports."""
        return {module.partition(".")[0] for module, _ in self.imports if not module.startswith(".")}


def source(file: Path) -> Source:
    """Return what a file is now."""
    found = _source(file, *_stamp(file))
    if is_code(file):
        _hashed.setdefault(file, found.hash)
    return found


def is_code(file: Path) -> bool:
    """Whether a file is a module that Python can import."""
    return file.suffix == ".py" or file.name.endswith(tuple(EXTENSION_SUFFIXES))


def edited() -> list[Path]:
    """Return the files of code that are no longer what they were when they were first read: edited or gone since."""
    return [file for file, known in _hashed.items() if not file.is_file() or _source(file, *_stamp(file)).hash != known]


def forget() -> None:
    """Forget which files were read, so that none counts as edited."""
    _hashed.clear()


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _source(file: Path, size: int, changed_ns: int) -> Source:
    content = file.read_bytes()
    if file.suffix == ".py":
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            return Source(hashlib.sha256(content).hexdigest(), ())
        imports = tuple(_imports(tree))
        content = ast.dump(_without_docstrings(tree)).encode("utf-8", "surrogatepass")
        return Source(hashlib.sha256(content).hexdigest(), imports)
    return Source(hashlib.sha256(content).hexdigest(), ())


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Return the tree without statements that are nothing but a text: docstrings, of attributes too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return tree


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in _run(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a tree's nodes but for those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for line in child.orelse:
                yield from _run(line)
        else:
            yield from _run(child)
