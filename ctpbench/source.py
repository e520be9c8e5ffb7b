"""One file of code as it counts: a hash of what is parsed, and what it imports.

A Python file is hashed without docstrings: an edit of a comment or of a docstring changes no hash.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_hashed: dict[Path, str] = {}
_seen: dict[Path, tuple[str, tuple[int, int]]] = {}
"""The names of the same files, and their sizes and times when they were first read."""
_PARSED_BY = f"{sys.version} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"
"""What parses here: another Python may write a tree otherwise, and so may another version of this module."""
_DIGITS, _MOST_KEPT = 64, 20_000


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
    stamp = _stamp(file)
    found = _source(file, *stamp)
    if is_code(file) and file not in _hashed:
        _hashed[file], _seen[file] = found.hash, (os.fspath(file), stamp)
    return found


def is_code(file: Path) -> bool:
    """Whether a file is a module that Python can import."""
    return file.suffix == ".py" or file.name.endswith(tuple(EXTENSION_SUFFIXES))


def edited() -> list[Path]:
    """Return the files of code that are no longer what they were when they were first read: edited or gone since."""
    return [file for file, known in _hashed.items() if not _is_as_it_was(file, known)]


def forget() -> None:
    """Forget which files were read, so that none counts as edited."""
    _hashed.clear()
    _seen.clear()


def _is_as_it_was(file: Path, known: str) -> bool:
    name, stamp = _seen[file]
    try:
        found = os.stat(name)
    except OSError:
        return False
    now = found.st_size, found.st_mtime_ns
    return now == stamp or (file.is_file() and _source(file, *now).hash == known)


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _source(file: Path, size: int, changed_ns: int) -> Source:
    content = file.read_bytes()
    if file.suffix != ".py":
        return Source(hashlib.sha256(content).hexdigest(), ())
    name = hashlib.sha256(f"{_PARSED_BY} ".encode() + content).hexdigest()
    known = _kept()
    if name not in known:
        known[name] = _parsed(content)
        _keep(name, known[name])
    return known[name]


def _parsed(content: bytes) -> Source:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return Source(hashlib.sha256(content).hexdigest(), ())
    imports = tuple(_imports(tree))
    content = ast.dump(_without_docstrings(tree)).encode("utf-8", "surrogatepass")
    return Source(hashlib.sha256(content).hexdigest(), imports)


# -- kept between processes, for to parse some hundred files takes longer than all else that a command begins with -----


def _kept_file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctpbench" / "sources.jsonl"


@cache
def _kept() -> dict[str, Source]:
    """Return what files were when they were parsed, by a hash of all that decides it; what cannot be read is left out.

    A file of too many lines is begun anew.
    """
    found: dict[str, Source] = {}
    with suppress(OSError):
        lines = _kept_file().read_bytes().splitlines()
        if len(lines) > _MOST_KEPT:
            _kept_file().unlink()
        for line in lines:
            with suppress(ValueError, TypeError, KeyError):
                said = json.loads(line)
                imports = tuple((str(module), tuple(map(str, names))) for module, names in said["imports"])
                if len(said["hash"]) == len(said["of"]) == _DIGITS:
                    found[said["of"]] = Source(said["hash"], imports)
    return found


def _keep(name: str, parsed: Source) -> None:
    """Note what a file is; where that cannot be written, it is parsed again."""
    line = json.dumps({"of": name, "hash": parsed.hash, "imports": parsed.imports})
    with suppress(OSError):
        _kept_file().parent.mkdir(parents=True, exist_ok=True)
        with _kept_file().open("ab", buffering=0) as file:
            file.write(f"\n{line}\n".encode())  # a line that was cut short before it stays alone


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
