"""A run's stored records as plain data, read and written without the code that is tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Line = dict
NAME = "records.jsonl"


def stored_lines(folder: Path) -> list[Line]:
    """Return the lines of a run's records, superseded ones too."""
    path = folder / NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stored_records(folder: Path) -> list[dict]:
    """Return the records of a run's folder, of each key the last."""
    return list({line["record"]["key"]: line["record"] for line in stored_lines(folder)}.values())


def change_records(folder: Path, change: Callable[[dict], dict | None]) -> None:
    """Put in place of each record what a function makes of it, as a hand would; None takes it away."""
    texts = []
    for line in (folder / NAME).read_text().splitlines():
        record = json.loads(line)["record"]
        changed = change(record)
        if changed is not None:
            begin, _, _ = line.partition(',"record":')
            texts.append(line if changed == record else f'{begin},"record":{json.dumps(changed)}}}')
    (folder / NAME).write_text("".join(f"{text}\n" for text in texts))
