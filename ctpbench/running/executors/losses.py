"""What workers were lost with: it is tried again, but not for ever."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ctpbench.running.work import Assignment, Item, ItemId, Outcome
from ctpbench.text import cut

_TRIES = 3


class Losses:
    """Remembers what each item's workers were lost on."""

    def __init__(self) -> None:
        self._hosts: dict[ItemId, list[str]] = {}

    def of(self, item: Item) -> Sequence[str]:
        """Return the machines that went away with an item."""
        return self._hosts.get(item.id, ())

    def note(self, item: Item, host: str, why: str) -> Outcome | None:
        """Note that a worker was lost with an item; return how that ends, None where it is tried again."""
        hosts = self._hosts.setdefault(item.id, [])
        hosts.append(host)
        if len(hosts) < _TRIES:
            return None
        where = ", ".join(dict.fromkeys(hosts))
        text = f"its worker went away {_TRIES} times, on {where}; it is not tried again (the last: {why})"
        return Outcome(status="crashed", message=cut(text, 1000))


def blamed(batch: Sequence[Assignment], begun: Collection[ItemId], ended: Collection[str]) -> Item | None:
    """Return what a worker was at that was lost with a batch, None where all of it had ended.

    What it had begun, else what comes first; `ended` are keys.
    """
    left = [each.item for each in batch if each.item.key not in ended]
    return next((item for item in left if item.id in begun), left[0] if left else None)
