"""Threads, precision, and what the precision auto stands for."""

from contextlib import suppress

import pytest
import torch

from ctpbench import DataError
from ctpbench_unet import runtime
from ctpbench_unet.runtime import auto_is_bf16, autocast, dtype_of, threads

FLAGS_LINE = "flags\t\t: fpu sse2 avx2 avx512f {}\n"


@pytest.fixture(autouse=True)
def _nothing_hidden(monkeypatch):
    monkeypatch.delenv("CTPBENCH_HIDE_BF16", raising=False)


@pytest.fixture
def cpu_with(monkeypatch, tmp_path):
    """Return a function that replaces what Linux says of the CPU."""

    def make(text):
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(text)
        monkeypatch.setattr(runtime, "_CPUINFO", cpuinfo)

    return make


def a_cpu(*flags):
    core = "processor\t: 0\nmodel name\t: a CPU\n" + FLAGS_LINE.format(" ".join(flags)) + "bugs\t\t: none\n\n"
    return 2 * core


@pytest.mark.parametrize("error", [None, ValueError])
def test_threads_are_as_before(error):
    torch.set_num_threads(2)
    with suppress(ValueError), threads(1):
        assert torch.get_num_threads() == 1
        if error:
            raise error
    assert torch.get_num_threads() == 2


def computed_in(precision, device="cpu"):
    with autocast(device, precision):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("hidden", ["0", "1", "nonsense"])
@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_precision_that_is_named_is_computed_in_on_every_device(
    monkeypatch, cpu_with, native, hidden, precision, dtype
):
    cpu_with(a_cpu(*["avx512_bf16"] * native))
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", hidden)
    assert computed_in(precision) == dtype


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        (["avx512_bf16"], torch.bfloat16),
        (["amx_bf16", "amx_tile"], torch.bfloat16),
        (["avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile"], torch.bfloat16),
        ([], torch.float32),
        (["avx512_fp16", "amx_tile", "avx512_bf16_of_another_kind"], torch.float32),
    ],
)
def test_auto_is_bf16_where_the_cpu_has_instructions_for_it(cpu_with, flags, dtype):
    cpu_with(a_cpu(*flags))
    assert computed_in("auto") == dtype
    assert auto_is_bf16("cpu") == (dtype == torch.bfloat16)


@pytest.mark.parametrize("text", ["", "model name\t: avx512_bf16\n", "Features\t: fp asimd bf16 i8mm\n", "flags\n"])
def test_auto_is_float32_where_the_flags_of_the_cpu_are_not_known(cpu_with, text):
    cpu_with(text)
    assert not auto_is_bf16("cpu")


def test_auto_is_float32_where_the_system_has_no_such_file(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "_CPUINFO", tmp_path / "nothing")
    assert not auto_is_bf16("cpu")


@pytest.mark.parametrize(("value", "bf16"), [("", True), ("0", True), ("1", False)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_environment_hides_bf16_from_auto(monkeypatch, cpu_with, device, value, bf16):
    cpu_with(a_cpu("avx512_bf16"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert auto_is_bf16(device)
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", value)
    assert auto_is_bf16(device) == bf16


def test_nothing_is_found_where_there_is_nothing_to_hide(monkeypatch, cpu_with):
    cpu_with(a_cpu())
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", "0")
    assert not auto_is_bf16("cpu")


@pytest.mark.parametrize("value", ["2", "yes", "01"])
def test_another_value_in_the_environment_is_refused(monkeypatch, value):
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", value)
    with pytest.raises(DataError, match=f"^CTPBENCH_HIDE_BF16: got {value}; allowed: 0 or 1$"):
        auto_is_bf16("cpu")


@pytest.mark.parametrize("native", [False, True])
def test_a_gpu_is_asked_itself_and_emulation_does_not_count(monkeypatch, cpu_with, native):
    """Whatever the CPU has."""
    cpu_with(a_cpu(*["avx512_bf16"] * (not native)))
    asked = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation) or native
    )
    assert auto_is_bf16("cuda") == native
    assert asked == [False]


@pytest.mark.parametrize(
    ("bf16", "capability", "hidden", "dtype"),
    [
        (True, (9, 0), "0", torch.bfloat16),
        (False, (7, 5), "0", torch.float16),
        (False, (7, 0), "0", torch.float16),
        (False, (6, 1), "0", torch.float32),
        (False, (7, 5), "1", torch.float32),
        (True, (9, 0), "1", torch.float32),
    ],
)
def test_auto_is_fp16_on_a_gpu_with_tensor_cores_and_no_bf16(monkeypatch, bf16, capability, hidden, dtype):
    monkeypatch.setenv("CTPBENCH_HIDE_BF16", hidden)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert dtype_of("cuda", "auto") == dtype


def test_mps_is_float32(cpu_with):
    cpu_with(a_cpu("avx512_bf16"))
    assert not auto_is_bf16("mps")


def test_the_flags_of_the_cpu_are_read_once(cpu_with, tmp_path):
    cpu_with(a_cpu("avx512_bf16"))
    assert auto_is_bf16("cpu")
    (tmp_path / "cpuinfo").unlink()
    assert auto_is_bf16("cpu")
