"""The benchmark of training steps runs where there is no GPU, and leaves what it measured."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch

from benchmarks.gpu import Journal, report_step, scale_of

ROOT = Path(__file__).parents[2]


def test_presets_are_read_from_their_files() -> None:
    assert (scale_of("quick").side, scale_of("quick").model.width) == (24, 8)
    assert (scale_of("paper").side, scale_of("paper").model.width) == (224, 64)


def test_a_step_counts_its_operations_and_its_rate() -> None:
    journal = Journal()
    report_step(journal, "quick", 2, False, 1e12, torch.device("cpu"))
    (line,) = journal.lines
    assert line["what"] == "step"
    taken, operations = float(str(line["milliseconds"])) / 1e3, 2e9 * float(str(line["gflop_per_clip"]))
    assert operations > 0
    assert abs(float(str(line["tflops"])) - operations / taken / 1e12) < 0.01


def test_what_there_was_no_time_for_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--presets", "quick", "--seconds", "0", "--into", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    lines = pd.read_csv(tmp_path / "gpu.csv")
    assert set(lines["what"]) >= {"device", "logits", "matrix product", "not measured"}
    assert (tmp_path / "gpu_profile.txt").read_text() == "not measured"
