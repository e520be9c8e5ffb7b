"""The file of a run's records: what it holds, what harm is seen, what is kept in memory."""

from __future__ import annotations

import errno
import json
import os
import signal
import tracemalloc

import pytest

from ctpbench.running.records import Records
from ctpbench.running.seals import sealed
from ctpbench.running.store import Store
from ctpbench.running.summary import Summary
from tests.outcome.records import record
from tests.stored import stored_lines

A, B, C = (sealed(record(name, 2e5)) for name in ("a", "b", "c"))


class Opened:
    """The records of a folder as a process opens them, and what they note."""

    def __init__(self, folder, *, written_to=False):
        self.noted = {}
        self.records = Records(folder, lambda path, wrong: self.noted.update({path.name: wrong}), lambda: written_to)

    def read(self, *expected):
        return list(self.records.records([each.key for each in expected]))


@pytest.fixture
def full(tmp_path):
    """A folder with three records."""
    records = Opened(tmp_path).records
    for each in (A, B, C):
        assert records.append(each) == each
    return tmp_path


def test_what_is_written_comes_back_in_the_order_that_is_asked_for(full):
    opened = Opened(full)
    assert opened.read(C, A) == [C, A]
    assert list(opened.records.records([B.key, "other"])) == [B, None]
    assert list(opened.records.summaries([B.key, "other"])) == [Summary.of(B), None]
    assert opened.noted == {}


def test_a_line_is_json_with_a_summary_that_says_what_its_record_says(full):
    lines = stored_lines(full)
    assert [line["record"]["key"] for line in lines] == [each.key for each in (A, B, C)]
    for line, each in zip(lines, (A, B, C), strict=True):
        assert line["record"] == json.loads(each.model_dump_json())
        assert all(line["summary"][name] == line["record"][name] for name in ("key", "status", "message", "faults"))


@pytest.mark.parametrize("text", ['","summary":{"key":"x"', ',"record":{"a":1}', '"}\n{"check":"', "\\", "\0"])
def test_what_a_message_says_is_not_taken_for_a_part_of_a_line(text, tmp_path):
    written = Opened(tmp_path).records.append(record("a", 2e5, message=text, faults={text: text}))
    opened = Opened(tmp_path)
    assert opened.read(written, written) == [written, written]
    assert list(opened.records.summaries([written.key])) == [Summary.of(written)]
    assert opened.noted == {}


def test_the_last_record_of_a_key_is_the_cells(full):
    again = sealed(A.model_copy(update={"message": "again"}))
    opened = Opened(full)
    opened.records.append(again)
    assert opened.read(A) == Opened(full).read(A) == [again]
    assert len(stored_lines(full)) == 4


def test_a_reader_sees_what_another_process_adds_and_what_it_writes_anew(tmp_path):
    reader, writer = Opened(tmp_path), Opened(tmp_path).records
    assert reader.read(A) == [None]
    writer.append(A)
    assert reader.read(A, B) == [A, None]
    writer.append(B)
    writer.forget([A.key])
    assert reader.read(A, B) == [None, B]
    assert reader.noted == {}


@pytest.mark.parametrize("kept", [1, 40, 200, -1])
def test_a_line_that_a_killed_process_left_is_named_and_the_next_one_is_whole(kept, full):
    path = full / "records.jsonl"
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[:kept])
    opened = Opened(full)
    assert opened.read(A, B, C) == [A, B, None]
    assert opened.noted == {"records.jsonl:3": "cut short, or of another version"}
    opened.records.append(C)
    assert Opened(full).read(A, B, C) == [A, B, C]


def test_a_line_that_is_being_written_is_no_damage_and_is_read_once_it_is_whole(full):
    path = full / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    opened = Opened(full, written_to=True)
    assert opened.read(A, B, C) == [A, B, None]
    with path.open("ab") as file:
        file.write(whole[-50:])
    assert opened.read(A, B, C) == [A, B, C]
    assert opened.noted == {}


def test_each_byte_counts(full):
    path = full / "records.jsonl"
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    for place in (*range(begin, begin + 200, 7), *range(begin + 200, whole.rindex(b"\n", 0, -1), 101)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        opened = Opened(full)
        assert opened.read(A, C) == [A, C], place
        assert opened.read(B) == [None], place
        assert len(opened.noted) == 1, place


def test_where_the_later_line_of_a_key_is_altered_the_earlier_one_does_not_stand_for_it(full):
    Opened(full).records.append(A.model_copy(update={"message": "again"}))
    path = full / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"message":"again"', b'"message":"never"'))
    opened = Opened(full)
    assert opened.read(A, B) == [None, B]
    assert opened.noted == {"records.jsonl:4": "altered, or of another version"}


def test_what_is_damaged_or_outweighed_is_left_out_when_the_run_ends(full):
    path = full / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"config":"b"', b'"config":"d"'))
    opened = Opened(full)
    opened.records.tidy()
    assert opened.noted == {"records.jsonl:2": "altered, or of another version"}
    assert [line["record"]["config"] for line in stored_lines(full)] == ["a", "c"]
    for count in range(3):
        opened.records.append(C.model_copy(update={"message": str(count)}))
    opened.records.tidy()
    assert [line["record"]["message"] for line in stored_lines(full)] == ["", "2"]
    calm = Opened(full)
    assert calm.read(A)[0] == A
    assert calm.noted == {}
    assert not [file for file in full.iterdir() if file != path]


def test_on_a_full_disk_the_file_is_as_it_was(full, monkeypatch):
    from ctpbench.running import records

    path = full / "records.jsonl"
    before, opened = path.read_bytes(), Opened(full)

    def half(file, data, start):
        class Full:
            def write(self, some):
                if len(some) < 100:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return file.write(some[: len(some) // 2])

            truncate = file.truncate

        write_whole(Full(), data, start)

    write_whole = records._write_whole
    monkeypatch.setattr(records, "_write_whole", half)
    with pytest.raises(OSError, match="No space"):
        opened.records.append(record("d", 2e5))
    assert path.read_bytes() == before
    assert Opened(full).read(A, B, C) == [A, B, C]


def older(folder, *records):
    (folder / "records").mkdir(parents=True, exist_ok=True)
    for each in records:
        (folder / "records" / f"{each.key}.json").write_text(each.model_dump_json())


def test_the_records_of_an_earlier_version_are_read_and_taken_over_where_the_folder_is_held(tmp_path):
    older(tmp_path, A, B)
    forged = sealed(record("d", 2e5)).model_copy(update={"message": "better"})
    older(tmp_path, forged)
    store = Store(tmp_path)
    assert list(store.records([A.key, B.key, C.key, forged.key])) == [A, B, None, None]
    assert store.damaged == {f"records/{forged.key}.json": "altered, or of another version"}
    assert list(store.summaries([B.key])) == [Summary.of(B)]
    with store.locked():
        assert sorted(line["record"]["config"] for line in stored_lines(tmp_path)) == ["a", "b"]
        assert [path.stem for path in (tmp_path / "records").iterdir()] == [forged.key]
        store.write_record(forged)
    assert not list((tmp_path / "records").iterdir())
    assert list(Store(tmp_path).records([A.key, B.key, forged.key])) == [A, B, sealed(forged)]


def test_an_earlier_versions_file_that_was_taken_over_is_not_taken_again(tmp_path):
    """Killed between writing the line and removing the file, and then run again with another end."""
    older(tmp_path, A)
    records = Opened(tmp_path).records
    again = records.append(A.model_copy(update={"message": "again"}))
    older(tmp_path, A)
    records.take_over()
    assert Opened(tmp_path).read(A) == [again]
    assert not (tmp_path / "records").exists()


def test_what_lies_in_memory_does_not_grow_with_what_records_say(tmp_path):
    def held(length):
        folder = tmp_path / str(length)
        records = Opened(folder).records
        for number in range(50):
            records.append(A.model_copy(update={"key": f"{number:032d}", "message": "x" * length}))
        keys = [f"{number:032d}" for number in range(50)]
        tracemalloc.start()
        reader = Opened(folder).records
        most = sum(1 for each in reader.records(keys) if each is not None)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert most == 50
        return size

    held(10)  # what is made once
    assert held(20_000) < held(10) + 20_000 * 5


def test_who_looks_at_a_folder_that_is_gone_sees_nothing(full):
    opened = Opened(full)
    assert opened.read(A) == [A]
    os.unlink(full / "records.jsonl")
    assert opened.read(A) == [None]
    assert list(Opened(full / "records.jsonl" / "x").records.records(["k"])) == [None]


def test_what_was_written_before_a_kill_is_there(tmp_path):
    """A process writes records, of a few bytes and of many pages, and tells of each; it is killed at any moment."""
    told: list[str] = []
    for kill in range(8):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            records = Opened(tmp_path).records
            for number in range(100_000):
                size = 200_000 if number % 3 == 2 else 10
                made = records.append(A.model_copy(update={"key": f"{kill}-{number}", "message": "x" * size}))
                os.write(write, f"{made.key}\n".encode())
        os.close(write)
        with os.fdopen(read, "rb") as said:
            for _ in range(1 + 2 * kill):
                said.readline()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        told += [f"{kill}-{number}" for number in range(1 + 2 * kill)]
        opened = Opened(tmp_path)
        found = list(opened.records.records(told))
        assert [each and each.key for each in found] == told
        assert set(opened.noted.values()) <= {"cut short, or of another version"}
        opened.records.tidy()
