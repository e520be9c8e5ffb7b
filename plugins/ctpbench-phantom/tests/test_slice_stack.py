import numpy as np
import pytest

from ctpbench_phantom.phantom import Phantom

SPLITS = ("train", "validation", "test")


def numbers(stack, split):
    return [stack.number(case) for case in stack.cases(split)]


def test_the_default_is_the_papers_set():
    found = {split: numbers(Phantom(), split) for split in SPLITS}
    assert found == {"train": [*range(30, 80)], "validation": [*range(20, 25)], "test": [*range(15)]}
    assert Phantom().cases("train")[27] == "slice-057"


@pytest.mark.parametrize(("gap", "step"), [(5, 1), (0, 1), (2, 3)])
def test_splits_are_apart(gap, step):
    stack = Phantom(train_slices=7, validation_slices=3, test_slices=4, gap_slices=gap, slice_step=step)
    found = {split: numbers(stack, split) for split in SPLITS}
    for split, count in (("train", 7), ("validation", 3), ("test", 4)):
        assert len(found[split]) == count
        assert set(np.diff(found[split])) == {step}
    assert found["test"][0] == 0
    assert found["validation"][0] - found["test"][-1] == gap + 1
    assert found["train"][0] - found["validation"][-1] == gap + 1
    assert stack.highest_index() == found["train"][-1]


def test_an_empty_split_takes_no_gap():
    stack = Phantom(validation_slices=0, train_slices=1, test_slices=2, gap_slices=4)
    assert stack.cases("validation") == []
    assert numbers(stack, "train") == [6]
