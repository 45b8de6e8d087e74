"""What a GPU makes of the 3D deformable transformer: right or wrong, time of a step, share of the device's matrix rate.

    python -m benchmarks.gpu [--seconds 240] [--presets quick small paper] [--into FOLDER]

Runs on the first GPU, or on the CPU where there is none, in at most about `--seconds` seconds; every line is printed as
it is measured, so that a run that is cut off still says something. In this order:

- the relative error of the logits, in float32 and under bfloat16 autocast, against float64 on the CPU;
- the rate of one large bfloat16 matrix product, which is what the device can do at most;
- training steps (forward, loss, backward, gradient clipping, AdamW) of each preset, the largest first, on random clips
  that lie on the device: the median of 20, the operations of a step as PyTorch counts them, and their rate as a share
  of the matrix rate;
- which operations a step of the largest preset spends its time in;
- the same steps compiled by torch.compile.

With `--into` the lines are written to gpu.csv there and the profile to gpu_profile.txt.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
import torch
import yaml
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from d3d.config import TrainingConfig
from d3d.data.batch import Batch
from d3d.folders import EXPERIMENTS
from d3d.models.d3d.config import D3DConfig
from d3d.models.registry import build
from d3d.training.forward import predict
from d3d.training.optimizer import build_optimizer

PRESETS = EXPERIMENTS / "preset"
BATCHES = {"quick": (16,), "small": (16, 64), "paper": (8, 16, 32)}  # clips a step
JOINTS, CLASSES = 13, 15  # Penn Action's
STEPS, WARM_UP = 20, 3


@dataclass(frozen=True)
class Scale:
    """A preset's model and the pixels of a side that enter it."""

    model: D3DConfig
    side: int


class Journal:
    """Prints a line at once and keeps it."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    def add(self, **line: object) -> None:
        """One line of what was measured."""
        self.lines.append(line)
        print("  ".join(f"{key}={value}" for key, value in line.items()), flush=True)


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240, help="begin nothing new after so many seconds")
    parser.add_argument("--presets", nargs="+", default=list(BATCHES), choices=list(BATCHES))
    parser.add_argument("--into", type=Path, help="folder for gpu.csv and gpu_profile.txt")
    asked = parser.parse_args()
    deadline = time.perf_counter() + asked.seconds
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    journal = Journal()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    journal.add(what="device", name=name, torch=torch.__version__)
    report_errors(journal, device)
    rate = matrix_rate(device)
    journal.add(what="matrix product", tflops=round(rate / 1e12, 1))
    presets = [name for name in reversed(BATCHES) if name in asked.presets]
    table = "not measured"
    for compiled in (False, True):  # compiling takes minutes: what may be cut off comes last
        for preset in presets:
            for clips in BATCHES[preset]:
                if time.perf_counter() > deadline:
                    journal.add(what="not measured", preset=preset, clips=clips, compiled=compiled)
                else:
                    report_step(journal, preset, clips, compiled, rate, device)
        if not compiled and time.perf_counter() < deadline:
            table = profiled(presets[0], device)
            print(table)
    if asked.into is not None:
        asked.into.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(journal.lines).to_csv(asked.into / "gpu.csv", index=False)
        (asked.into / "gpu_profile.txt").write_text(table)


def scale_of(preset: str) -> Scale:
    """The 3D deformable transformer as the preset has it. What the preset leaves out is at its default."""
    said = yaml.safe_load((PRESETS / f"{preset}.yaml").read_text())
    model = D3DConfig(**said.get("models", {}).get("d3d", {}), joints=JOINTS, classes=CLASSES)
    return Scale(model, said.get("data", {}).get("crop", 224))


def random_batch(scale: Scale, clips: int, frames: int) -> Batch:
    """Clips of noise, with four joints of five visible."""
    return Batch(
        (scale.side, scale.side),
        frames=torch.randn(clips, 3, frames, scale.side, scale.side),
        joints=torch.rand(clips, frames, JOINTS, 2) * scale.side,
        visible=torch.rand(clips, frames, JOINTS) > 0.2,
    )


def report_errors(journal: Journal, device: torch.device) -> None:
    """‖logits − reference‖ / ‖reference‖ of the preset small; the reference is computed in float64 on the CPU."""
    torch.manual_seed(0)
    scale, cpu = scale_of("small"), torch.device("cpu")
    batch = random_batch(scale, 4, TrainingConfig().frames)
    model = build(scale.model).eval()
    exact = Batch(batch.size, frames=batch.frames.double(), joints=batch.joints.double(), visible=batch.visible)
    with torch.inference_mode():
        reference = model.double()(exact)
        model = model.float().to(device)
        computed = {"float32": model(batch.to(device)), "bfloat16 autocast": predict(model, batch, device)}
    if device.type == "cpu":
        del computed["bfloat16 autocast"]  # predict computes in float32 there
    for name, logits in computed.items():
        error = (logits.to(cpu).double() - reference).norm() / reference.norm()
        journal.add(what="logits", dtype=name, relative_error=f"{error.item():.1e}")


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a bfloat16 matrix product of random numbers."""
    side = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / seconds(lambda: left @ right, device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of one call: the median of `STEPS` calls after `WARM_UP`."""
    for _ in range(WARM_UP):
        work()
    times = []
    for _ in range(STEPS):
        synchronize(device)
        begun = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - begun)
    return median(times)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def make_step(preset: str, clips: int, compiled: bool, device: torch.device) -> Callable[[], Tensor]:
    """A function that trains a fresh model by one step each time it is called."""
    torch.manual_seed(0)
    scale, training = scale_of(preset), TrainingConfig()
    model = build(scale.model).to(device)
    optimizer = build_optimizer(model, training)
    batch = random_batch(scale, clips, training.frames).to(device)
    labels = torch.randint(0, CLASSES, (clips,), device=device)
    if compiled:
        model.compile()

    def step() -> Tensor:
        loss = cross_entropy(predict(model, batch, device), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(model.parameters(), training.gradient_clip)
        optimizer.step()
        return loss

    return step


def report_step(journal: Journal, preset: str, clips: int, compiled: bool, rate: float, device: torch.device) -> None:
    """One line of a preset and a batch size; `rate` is the matrix rate, in operations a second."""
    asked = {"preset": preset, "clips": clips, "compiled": compiled}
    begun = time.perf_counter()
    try:
        with FlopCounterMode(display=False) as counter:
            make_step(preset, clips, False, device)()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        taken = seconds(make_step(preset, clips, compiled, device), device)
    except RuntimeError as error:  # out of memory, or nothing that can be compiled
        journal.add(what="failed", **asked, error=" ".join(str(error).split())[:160])
        return
    operations = counter.get_total_flops()
    journal.add(
        what="step",
        **asked,
        milliseconds=round(1e3 * taken, 2),
        clips_per_second=round(clips / taken, 1),
        gflop_per_clip=round(operations / clips / 1e9, 2),
        tflops=round(operations / taken / 1e12, 2),
        share_of_matrix_rate=f"{operations / taken / rate:.1%}",
        peak_gib=round(torch.cuda.max_memory_allocated(device) / 2**30, 2) if device.type == "cuda" else None,
        seconds_in_all=round(time.perf_counter() - begun, 1),
    )


def profiled(preset: str, device: torch.device) -> str:
    """The operations in which three plain steps of the preset's largest batch spend their time."""
    step = make_step(preset, BATCHES[preset][-1], False, device)
    step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as seen:
        for _ in range(3):
            step()
        synchronize(device)
    key = f"self_{'device' if device.type == 'cuda' else 'cpu'}_time_total"
    table: str = seen.key_averages().table(sort_by=key, row_limit=25, max_name_column_width=70)
    return table


if __name__ == "__main__":
    main()
