from pathlib import Path

import pytest
import torch

from d3d.training.peak_memory import PeakMemory

CPU = torch.device("cpu")


def test_what_was_used_before_does_not_count() -> None:
    first = PeakMemory(CPU)
    if first.mib is None:
        pytest.skip("this system does not let a process reset its peak")
    before = first.mib
    held = torch.ones(100 * 2**18)  # 100 MiB
    peak = first.mib
    assert peak > before + 90
    del held
    again = PeakMemory(CPU).mib
    assert again is not None and again < peak - 50


def test_where_the_peak_cannot_be_reset_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    (tmp_path / "clear_refs").mkdir()  # a folder, which cannot be written to
    assert PeakMemory(CPU, tmp_path).mib is None
    (tmp_path / "clear_refs").rmdir()
    assert PeakMemory(CPU, tmp_path).mib == 2.0
    assert (tmp_path / "clear_refs").read_text() == "5"
    (tmp_path / "status").unlink()
    assert PeakMemory(CPU, tmp_path).mib is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_of_a_gpu_what_was_used_before_does_not_count_either() -> None:
    device = torch.device("cuda")
    held = torch.ones(100 * 2**18, device=device)
    del held
    peak = PeakMemory(device).mib
    assert peak is not None and peak < 90
