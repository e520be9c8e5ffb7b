"""A log keeps its head and its tail, whatever is printed."""

from ctpbench.running.log import LONGEST_LOG, Log


def test_what_fits_is_kept_as_it_comes(tmp_path):
    path = tmp_path / "logs" / "a.log"
    with Log(path) as log:
        log.write(b"one\n")
        assert path.read_bytes() == b"one\n"
        log.write(b"two\n")
    with Log(path) as log:
        log.write(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_of_too_much_the_head_and_the_tail_are_kept(tmp_path):
    path = tmp_path / "a.log"
    with Log(path) as log:
        log.write(b"first\n")
        for _ in range(40):
            log.write(b"x" * 2**20)
        log.write(b"last\n")
    text = path.read_bytes()
    assert text.startswith(b"first\nxxx")
    assert text.endswith(b"xxxlast\n")
    (line,) = (line for line in text.split(b"\n") if line.startswith(b"..."))
    assert len(text) == LONGEST_LOG + len(line) + 2
    assert int(line.split()[1]) == len(b"first\n" + b"last\n") + 40 * 2**20 - LONGEST_LOG


def test_a_full_log_still_takes_the_end_of_the_next(tmp_path):
    path = tmp_path / "a.log"
    for word in (b"one", b"two"):
        with Log(path) as log:
            log.write(b"x" * (2 * LONGEST_LOG) + word)
    assert path.read_bytes().endswith(b"xtwo")
    assert path.stat().st_size < 1.2 * LONGEST_LOG
