from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctpbench.errors import InputError
from ctpbench.written.document import dump, parse, read


def data(text, **environ):
    document = parse(text, "s.yaml", environ)
    assert not document.faults
    return document.data


def faults(text, **environ):
    return list(parse(text, "s.yaml", environ).faults)


def error(text):
    with pytest.raises(InputError) as caught:
        parse(text, "s.yaml", {})
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e5", 100000.0),
        ("1e-3", 0.001),
        ("-2.5E+2", -250.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("+4", 4),
        ("-0", 0),
        ("12", 12),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("10:30", "10:30"),
        ("1:30.5", "1:30.5"),
        ("007", "007"),
        ("0x1f", "0x1f"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("'1e5'", "1e5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars(written, value):
    got = data(f"a: {written}\n")["a"]
    assert got == value
    assert type(got) is type(value)


def test_infinity_and_nan_are_numbers():
    values = data("a: [.inf, -.inf, .nan]")["a"]
    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])


def test_lines_of_keys_and_items():
    document = parse("a: 1\n\nb:\n  - x\n  -\n    c: 3\n    d:\n      e: 4\n", "s.yaml", {})
    assert document.data == {"a": 1, "b": ["x", {"c": 3, "d": {"e": 4}}]}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 6,
        ("b", 1, "c"): 6,
        ("b", 1, "d"): 7,
        ("b", 1, "d", "e"): 8,
    }
    assert document.line(("b", 1, "d", "missing", 3)) == 7
    assert document.line(("nowhere",)) == 1


def test_every_fault_of_the_yaml_is_reported_and_the_rest_is_read():
    document = parse("a: 1\nb: 2\na: 3\n5: 1\ntrue: 1\n[x]: 1\nc: !x y\nd: !!int z\n~: 1\non: 1", "s.yaml", {})
    assert [line for line, _ in document.faults] == [3, 4, 5, 6, 7, 8, 9]
    assert document.faults[0][1] == "the key 'a' is here again; it is on line 1 already"
    assert "the key '5'" in document.faults[1][1]
    assert "'!x'" in document.faults[4][1]
    assert document.data["a"] == 1
    assert document.data["on"] == 1


def test_duplicate_keys_deep_inside():
    (fault,) = faults("a:\n  - b: {c: 1}\n    b: 2\n")
    assert fault == (3, "the key 'b' is here again; it is on line 2 already")


def test_anchors_and_merge_keys():
    text = """\
    base: &base {p: 1, q: 2}
    one:
      <<: *base
      p: 3
    two: {<<: [*base, {p: 8, z: 9}], q: 4}
    list: &l [1, 2]
    again: *l
    """
    document = parse(text, "s.yaml", {})
    assert not document.faults
    assert document.data["one"] == {"p": 3, "q": 2}
    assert document.data["two"] == {"p": 1, "q": 4, "z": 9}
    assert document.data["again"] == [1, 2]
    assert document.line(("one", "p")) == 4
    assert document.line(("one", "q")) == 1
    assert document.data["one"] == yaml.safe_load(text)["one"]
    assert document.data["two"] == yaml.safe_load(text)["two"]


def test_a_key_written_out_keeps_its_line_when_the_merge_comes_after():
    document = parse("base: &base {p: 1}\none:\n  p: 3\n  <<: *base\n", "s.yaml", {})
    assert document.data["one"] == {"p": 3}
    assert document.line(("one", "p")) == 3


def test_faulty_merges_and_endless_aliases():
    assert faults("a: {<<: 3}") == [(1, "<<: got '3'; allowed: a mapping, as in '<<: *name'")]
    assert "alias" in faults("a: &a\n  - *a")[0][1]
    assert "alias" in faults("a: &a\n  <<: *a")[0][1]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!set", "!!binary", "!mine", "!!timestamp"])
def test_tags_are_refused(tag):
    assert "allowed: plain values" in faults(f"a: {tag} {{x}}" if tag == "!!set" else f"a: {tag} x")[0][1]


A_MAPPING = "allowed: a mapping, as in 'name: value'"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", f"s.yaml:1: the file is empty; {A_MAPPING}"),
        ("# only\n# comments\n", f"s.yaml:1: the file is empty; {A_MAPPING}"),
        ("---\n", f"s.yaml:1: the file is empty; {A_MAPPING}"),
        ("- a\n", f"s.yaml:1: got a list; {A_MAPPING}"),
        ("\nhello\n", f"s.yaml:2: got 'hello'; {A_MAPPING}"),
        ("a: 1\nb: [1,\n", "s.yaml:3: not YAML: while parsing a flow node"),
        ("a: 1\nb: c: 2\n", "s.yaml:2: not YAML: mapping values are not allowed here"),
        ("a:\n\t- 1\n", "s.yaml:2: not YAML: while scanning for the next token found character '\\t'"),
        ("a: 1\n---\nb: 2\n", "s.yaml:2: not YAML: expected a single document"),
        ("a: 1\nb: *c\n", "s.yaml:2: not YAML: found undefined alias"),
        ("a: 1\nb: \x01\n", "s.yaml:2: not YAML: the character U+0001 is not allowed"),
        ("a: 1\nb: {c: ${D}}\n", "s.yaml:2: not YAML: while parsing a flow mapping"),
    ],
)
def test_what_is_no_mapping_is_one_line_with_its_number(text, line):
    assert error(text).startswith(line)


def test_a_variable_in_braces_gets_advice():
    assert error("a: {b: ${C}}").endswith("; ${NAME} within [ ] or { } needs quotes")
    assert data('a: {b: "${C}"}', C="x") == {"a": {"b": "x"}}


def test_environment_variables():
    environ = {"ROOT": "/data/x y", "N": "4", "EMPTY": "", "TRICK": "${ROOT}"}
    assert data("a: ${ROOT}/ct", **environ) == {"a": "/data/x y/ct"}
    assert data("a: ${N}\nb: '${N}'\nc: x${N}${N}", **environ) == {"a": 4, "b": "4", "c": "x44"}
    assert data("a: ${NO:-7}\nb: ${NO:-}\nc: ${N:-7}\nd: ${EMPTY:-7}/", **environ) == {
        "a": 7,
        "b": None,
        "c": 4,
        "d": "/",
    }
    assert data("a: $${ROOT}\nb: $ROOT\nc: $$\nd: ${TRICK}", **environ) == {
        "a": "${ROOT}",
        "b": "$ROOT",
        "c": "$$",
        "d": "${ROOT}",
    }


def test_faulty_variables_are_faults_with_their_line():
    document = parse("a: 1\nb: ${NO_SUCH}\nc: ${}\nd: ${5}\ne: ${A", "s.yaml", {"A": "1"})
    assert [line for line, _ in document.faults] == [2, 3, 4, 5]
    assert document.faults[0][1] == (
        "the environment variable NO_SUCH is not set; set it, or write ${NO_SUCH:-default}"
    )
    assert document.faults[3][1].startswith("got '${A'; allowed: ${NAME}")
    assert document.data["b"] == "${NO_SUCH}"


def test_read(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_bytes("\ufeffname: Müller\r\nnoise: 1e5\r\n".encode())
    document = read(path, {})
    assert document.data == {"name": "Müller", "noise": 1e5}
    assert document.name == str(path)
    assert document.line(("noise",)) == 2


def test_read_faults(tmp_path):
    path = tmp_path / "suite.yaml"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read(tmp_path)
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(InputError, match=r"suite\.yaml:2: not UTF-8 text"):
        read(path)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
    | st.sampled_from(
        [
            "1e5",
            "no",
            "10:30",
            "007",
            "0x1f",
            "~",
            "",
            "${X}",
            "$${",
            "$$${X",
            "a: b",
            ".inf",
            "on",
            "3.",
            "- a",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abno1.:-", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "no", "1", "1e5", "x y", "~", "<<", "true"]), PLAIN, min_size=1))
def test_what_is_dumped_is_read_again(plain):
    again = parse(dump(plain), "s.yaml", {})
    assert not again.faults
    assert again.data == plain
    assert repr(again.data) == repr(plain)  # types and order, too


# -- what is made to be too much ---


def test_aliases_that_stand_for_too_much_are_refused_before_they_are_expanded():
    lines = ["a0: &a0 [1, 2]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]
    with pytest.raises(InputError, match=r"^bomb: its aliases stand for .*e\+37 values; allowed: 100000 or fewer$"):
        parse("\n".join(lines), "bomb")


@pytest.mark.parametrize("levels", [51, 3_000])
def test_what_is_nested_too_deeply_is_refused(levels):
    with pytest.raises(InputError, match=r"^deep(:1)?: nested too deeply; allowed: 50 levels$"):
        parse(f"a: {'[' * levels}{']' * levels}", "deep")


def test_what_is_nested_too_deeply_by_aliases_is_refused():
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]
    with pytest.raises(InputError, match=r"^deep: nested too deeply by its aliases; allowed: 50 levels$"):
        parse("\n".join(lines), "deep")


def test_some_nesting_and_some_aliases_are_fine():
    text = f"a: &a {'[' * 20}1{']' * 20}\nb: [{', '.join(['*a'] * 100)}]\nc: &c [*c]"
    assert len(parse(text, "fine").data["b"]) == 100


@pytest.mark.parametrize("digits", ["9223372036854775808", "-9223372036854775809", "9" * 4_000, "9" * 5_000])
def test_an_integer_beyond_64_bits_is_a_fault(digits):
    document = parse(f"a: {digits}\nb: 9223372036854775807", "big")
    ((line, fault),) = document.faults
    assert (line, fault.startswith(f"got '{digits[:40]}' as !!int")) == (1, True)
    assert document.data["b"] == 2**63 - 1


def test_a_file_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text("a: 1\n" + "#" * 2**20)
    with pytest.raises(InputError, match=r"long.yaml: got 1048581 bytes; allowed: 1048576 or fewer$"):
        read(path)
