"""A host believes its guest nothing: what it reads of it, what it takes over, and what ends a guest."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ctpbench.running.faults import InvalidOutput
from ctpbench.running.host import Host
from ctpbench.running.log import Log
from ctpbench.running.work import AnswerTask, BuildInfo, BuildTask, ComponentSpec
from ctpbench.settings import MapsSettings


@pytest.fixture
def host(tmp_path):
    """A host whose guests may reach everything."""
    room = tmp_path / "room"
    room.mkdir()
    with Host(room, None, {}, "cpu", 1) as host:
        yield host


@pytest.fixture
def ask(host, tmp_path):
    """Ask a guest for something; return how that ended."""

    def ask(task, progress=lambda fraction, text: None, **inputs):
        with Log(tmp_path / "guest.log") as log:
            return host.ask("key", task, inputs, host.home, log, progress)[0]

    return ask


def test_an_array_is_its_bytes(host):
    values = np.arange(6, dtype=np.float32)
    values.tofile(host.made / "output")
    np.testing.assert_array_equal(host.array("output", (2, 3)), values.reshape(2, 3))


@pytest.mark.parametrize("shape", [(5,), (7,), (2**40,)])
def test_an_array_of_another_size_is_refused(shape, host):
    np.zeros(6, np.float32).tofile(host.made / "output")
    with pytest.raises(InvalidOutput, match="left 24 bytes in output; allowed: "):
        host.array("output", shape)


def test_no_link_and_no_pipe_is_read_in_place_of_an_array(host, tmp_path):
    np.zeros(6, np.float32).tofile(tmp_path / "secret")
    (host.made / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(host.made / "pipe")
    for name in ("link", "pipe", "nothing"):
        with pytest.raises(InvalidOutput, match="its process left"):
            host.array(name, (6,))


def test_what_a_guest_wrote_is_taken_over_but_for_links(host, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (host.made / "more").mkdir()
    (host.made / "more" / "weights").write_text("1")
    host.collect(out)
    assert (out / "more" / "weights").read_text() == "1"
    (host.made / "truth").symlink_to(tmp_path)
    with pytest.raises(InvalidOutput, match="wrote truth, which is no file; allowed: files and folders"):
        host.collect(out)


def test_a_guest_sees_what_it_is_handed_and_nothing_of_before(host, ask, tmp_path):
    from ctpbench_fakes import Leave

    (tmp_path / "model").mkdir()
    for name in ("one.npz", "two.npz", "model/weights"):
        (tmp_path / name).write_text(name)
    spec = ComponentSpec.of(Leave())
    ask(BuildTask(component=spec), one=tmp_path / "one.npz", model=tmp_path / "model")
    (weights,) = host.given.glob("*/weights")
    assert sorted(path.read_text() for path in host.given.glob("*.npz")) == ["one.npz"]
    ask(BuildTask(component=spec), two=tmp_path / "two.npz", model=tmp_path / "model")
    assert sorted(path.read_text() for path in host.given.glob("*.npz")) == ["two.npz"]
    assert (weights.read_text(), weights.is_symlink()) == ("model/weights", False)


def test_what_a_component_cannot_do_is_an_outcome(ask, tmp_path):
    from ctpbench_fakes import Leave

    spec = ComponentSpec.of(Leave())
    assert ask(BuildTask(component=spec)).info == BuildInfo()
    missing = ask(BuildTask(component=spec.model_copy(update={"qualname": "Nobody"})))
    assert (missing.status, "Nobody" in missing.message) == ("error", True)
    answer = AnswerTask(denoiser=spec, case="a", seed=0, maps=MapsSettings())
    assert ask(answer, **{"observation/a": tmp_path / "none.npz"}).status == "error"
    assert ask(BuildTask(component=spec)).ok
