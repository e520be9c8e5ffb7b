"""What waits: its order, what goes together, what is set aside."""

from __future__ import annotations

import random

import pytest

from ctpbench.running.queue import Queue
from ctpbench.running.work import Item, ReferenceTask
from ctpbench.settings import MapsSettings

TASK = ReferenceTask(cases=(), maps=MapsSettings(), rois=False, quality=False)


def item(key: str, group: str = "") -> Item:
    return Item(key=key, task=TASK, group=group)


def taken(queue: Queue) -> list[str]:
    return [queued.item.key for queued in queue.batch(1)]


def all_taken(queue: Queue) -> list[list[str]]:
    batches = []
    while queue:
        batches.append(taken(queue))
    return batches


def test_the_cell_that_comes_first_is_first_and_within_a_cell_what_was_asked_for_first():
    queue = Queue()
    for key, place in (("late", 2), ("early", 0), ("middle", 1), ("middle too", 1)):
        queue.put(item(key), place)
    assert queue.first.key == "early"
    assert all_taken(queue) == [["early"], ["middle"], ["middle too"], ["late"]]
    assert not queue


@pytest.mark.parametrize(("count", "most", "first"), [(20, 1, 20), (20, 4, 20), (40, 1, 40), (40, 2, 20), (50, 3, 17)])
def test_a_group_goes_together_in_order_split_where_it_is_worth_a_process(count, most, first):
    queue = Queue()
    places = list(range(count))
    random.Random(0).shuffle(places)
    for place in places:
        queue.put(item(str(place), "same"), 2 * place)
    batches = [[queued.item.key for queued in queue.batch(most)]]
    queue.put(item("between"), 1)
    assert taken(queue) == ["between"]
    while queue:
        batches.append([queued.item.key for queued in queue.batch(most)])
    assert [key for batch in batches for key in batch] == [str(k) for k in range(count)]
    assert len(batches[0]) == first


@pytest.mark.parametrize("group", ["", "same"])
def test_what_is_set_aside_is_not_to_be_had_until_it_is_brought_back_to_its_place(group):
    queue = Queue()
    queue.put(item("first", group), 0)
    (queued,) = queue.batch(1)
    for _ in range(3):
        queue.set_aside(queued)
        assert queue.has_aside
        assert not queue
        queue.bring_back()
        assert not queue.has_aside
        (queued,) = queue.batch(1)
    queue.set_aside(queued)
    queue.put(item("second", group), 1)
    queue.bring_back()
    assert queue.first.key == "first"
    assert [key for batch in all_taken(queue) for key in batch] == ["first", "second"]


def test_nothing_is_left_when_it_is_cleared():
    queue = Queue()
    queue.put(item("a", "same"), 0)
    queue.set_aside(queue.batch(1)[0])
    queue.put(item("b", "same"), 1)
    queue.clear()
    queue.bring_back()
    assert not queue
    queue.put(item("c", "same"), 0)
    assert all_taken(queue) == [["c"]]
