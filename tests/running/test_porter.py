"""Guests are copies of a process that has seen nothing, one after the other; nothing of one is left for the next."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

import psutil
import pytest

from ctpbench.running.sandbox import porter as porter_module
from ctpbench.running.sandbox.porter import Porter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

SEEN: list[str] = []


def live(place, files):
    """Do what the first file says, with the second to tell of it."""
    source, to = files
    what = os.read(source, 1000).decode()
    if what.startswith("see "):
        SEEN.append(what)
        os.environ["SEEN"] = os.environ.get("SEEN", "") + what
        os.write(to, f"{SEEN} {os.environ['SEEN']}".encode())
    elif what == "where":
        os.write(to, " ".join(_namespaces("self")).encode())
    elif what == "fail":
        raise ValueError("it failed")
    elif what == "leave":
        child = os.fork()
        if child == 0:
            os.setsid()
            time.sleep(600)
        os.write(to, b"left")
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "stay":
        os.close(to)
        time.sleep(600)


def _namespaces(process):
    return [os.readlink(f"/proc/{process}/ns/{kind}") for kind in ("user", "pid", "ipc", "mnt", "net")]


def is_a_copy(process):
    """Whether a process was forked from this one; a guest that has ended is a zombie until it is waited for."""
    with suppress(psutil.ZombieProcess):
        return process.cmdline() == psutil.Process().cmdline()
    return False


@pytest.fixture
def before():
    """Return the processes that others than this test have running."""
    return set(psutil.Process().children(recursive=True))


@pytest.fixture
def refused():
    """Which forks of guests fail, counted from 1, as where the chamber is gone."""
    return ()


@pytest.fixture
def porter(before, refused, monkeypatch):
    calls, fork = [], porter_module.namespaces.fork_beside

    def fork_beside(*words, **options):
        calls.append(words)
        if len(calls) in refused:
            raise ProcessLookupError("its chamber is gone")
        return fork(*words, **options)

    monkeypatch.setattr(porter_module.namespaces, "fork_beside", fork_beside)
    with Porter(live) as porter:
        yield porter


@pytest.fixture
def tell(porter):
    """Let a guest in and tell it what to do; return what it says of that. Its process is `tell.guest`."""

    def tell(what: str) -> str:
        source, to = os.pipe()
        answer, answers = os.pipe()
        tell.guest = psutil.Process(porter.admit(source, answers, network=True))
        os.close(source)
        os.close(answers)
        os.write(to, what.encode())
        os.close(to)
        said = os.read(answer, 1000).decode()
        os.close(answer)
        return said

    return tell


def test_a_guest_knows_nothing_of_the_one_before(porter, tell):
    for what in ("see one", "see two"):
        assert tell(what) == f"{[what]} {what}"
        porter.dismiss()


def test_a_guest_is_in_namespaces_of_its_own(porter, tell):
    found = tell("where").split()
    if not porter.leaves_nothing:
        pytest.skip("this system lets nobody make namespaces")
    *others, network = zip(found, _namespaces(porter._process), _namespaces("self"), strict=True)
    assert all(mine not in theirs for mine, *theirs in others)  # of the user, too, who has a keyring
    assert len(set(network)) == 1  # which was asked for


def test_a_guest_that_was_dismissed_is_gone_once_that_was_waited_for(porter, tell):
    tell("see one")
    guest = tell.guest
    porter.dismiss()
    porter.wait()
    assert not guest.is_running()
    porter.wait()  # nobody is there any more
    assert tell("see two") == "['see two'] see two"


@pytest.mark.parametrize("refused", [(2,)])
def test_a_guest_that_cannot_be_there_ahead_is_made_when_it_is_asked_for(porter, tell, capfd):
    assert tell("see one") == "['see one'] see one"
    porter.dismiss()
    tell("stay")
    stayed = tell.guest
    porter.dismiss()
    porter.wait()
    assert not stayed.is_running()
    assert tell("see two") == "['see two'] see two"
    assert capfd.readouterr().err == ""


@pytest.fixture
def waiting(porter, tell):
    """A guest that waits for its files since another one was let in, which has gone by now."""
    tell("see one")
    if not porter.leaves_nothing:
        pytest.skip("this system lets nobody make namespaces")
    deadline = time.monotonic() + 30
    while (found := psutil.Process(porter._process).children()) == [tell.guest] and time.monotonic() < deadline:
        time.sleep(0.01)
    (process,) = set(found) - {tell.guest}
    porter.dismiss()
    porter.wait()
    return process


def test_the_next_guest_is_there_before_it_is_asked_for(waiting, porter):
    source, to = os.pipe()
    assert porter.admit(source, to, network=True) == waiting.pid


def test_a_guest_that_waits_is_in_other_namespaces_than_the_one_that_is_there(waiting, porter, tell):
    tell("stay")
    assert tell.guest == waiting
    deadline = time.monotonic() + 30
    while len(found := psutil.Process(porter._process).children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    (another,) = set(found) - {waiting}
    while _namespaces(another.pid)[0] == _namespaces(porter._process)[0] and time.monotonic() < deadline:
        time.sleep(0.01)  # it is on its way
    *others, _ = zip(_namespaces(waiting.pid), _namespaces(another.pid), strict=True)
    assert all(mine != theirs for mine, theirs in others)


def test_what_is_to_be_done_ahead_is_done_while_a_guest_waits(before, tmp_path):
    done = tmp_path / "done"

    def ahead():
        SEEN.append("ahead")
        done.touch()

    with Porter(live, ahead) as porter:
        said = []
        for what in (b"see one", b"see two"):
            (source, to), (answer, answers) = os.pipe(), os.pipe()
            porter.admit(source, answers, network=True)
            os.write(to, what)
            said.append(os.read(answer, 1000).decode())
            if not porter.leaves_nothing:
                pytest.skip("this system lets nobody make namespaces")
            deadline = time.monotonic() + 10
            while not done.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            porter.dismiss()
    assert said[1] == "['ahead', 'see two'] see two"


def test_a_guest_that_died_while_it_waited_is_not_the_next_one(waiting, tell):
    waiting.kill()
    while waiting.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert tell("see two") == "['see two'] see two"


def test_a_guest_that_waits_with_a_network_is_not_let_in_where_none_is_wanted(waiting, porter):
    source, to = os.pipe()
    assert porter.admit(source, to, network=False) != waiting.pid
    assert not waiting.is_running()


@pytest.mark.parametrize(("what", "code"), [("see", 0), ("fail", 1), ("die", -signal.SIGKILL)])
def test_how_a_guest_ended_is_told(what, code, porter, tell):
    tell(what)
    assert porter.verdict() == code
    tell("see more")
    assert porter.verdict() == 0


def test_of_one_that_does_not_end_nothing_is_told_and_it_is_ended(monkeypatch):
    monkeypatch.setattr(porter_module, "_GRACE_S", 0.1)
    with Porter(live) as porter:
        source, to = os.pipe()
        guest = porter.admit(source, to, network=True)
        os.write(to, b"stay")
        process = psutil.Process(guest)
        assert porter.verdict() is None
        assert not process.is_running()


def test_what_a_guest_left_running_is_gone_when_the_next_one_is_let_in(before, porter, tell):
    assert tell("leave") == "left"
    if not porter.leaves_nothing:
        pytest.skip("this system lets nobody make namespaces")
    mine = set(psutil.Process().children(recursive=True)) - before
    left = [each for each in mine if is_a_copy(each) and each.ppid() != porter._process and each.pid != porter._process]
    assert len(left) == 1
    porter.dismiss()
    tell("see")
    assert not [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    porter.dismiss()
    tell("see")
    assert porter.leaves_nothing  # what was heard of the end of one chamber is not taken for another


def test_a_porter_that_is_gone_is_named(porter, tell):
    os.kill(porter._process, signal.SIGKILL)
    with pytest.raises(OSError, match=r"went away|Broken pipe|reset"):
        tell("see")
    assert porter.verdict() is None
    porter.dismiss()


def test_nothing_runs_on_once_a_porter_is_closed(before):
    with Porter(live) as porter:
        (source, to), (answer, answers) = os.pipe(), os.pipe()
        os.write(to, b"leave")
        porter.admit(source, answers, network=True)
        assert os.read(answer, 1000) == b"left"
        running = set(psutil.Process().children(recursive=True)) - before
        assert len(running) >= 3
    _, alive = psutil.wait_procs(running, timeout=5)
    assert not alive
