"""The cost of stride attention against full attention, counted and measured (Tables A1 and A2 of the paper's appendix).

The printed O(T²·w²) of joint and O(w²·D_n²) of temporal stride attention leave out the number of windows. Here the
scores that are computed are counted, and one module is run: operations, time and memory.
"""

from dataclasses import dataclass
from functools import cache
from statistics import median

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode  # tensors with shapes and no data; the meta device has no autocast
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.random import fork_rng
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from d3d.config import Config, MeasurementConfig
from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.config import SystemConfig
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.stride import StrideAttention
from d3d.models.d3d.windows import sliding_windows
from d3d.models.registry import build

SMALL = 10**9  # parameters times pixels; running a system of less takes less time than following its shapes


@dataclass(frozen=True)
class Shape:
    """Windows over an axis of `length` positions with `side` tokens at each; `modal` tokens join every window."""

    length: int
    side: int
    modal: int
    window: int

    @property
    def stride(self) -> int:
        """Half the window, as the paper sets it."""
        return max(1, self.window // 2)


@dataclass(frozen=True)
class Complexity:
    """The cost of one module for one clip."""

    score_pairs: int  # query-key products of one head, over all windows
    printed: int  # the paper's formula, for one window and without modal tokens
    flops: int  # of a forward pass: multiplications and additions
    seconds: float  # of a forward and a backward pass, the median
    memory_mib: float  # of what the forward pass saves for the backward pass


def attention_shape(measurement: MeasurementConfig) -> Shape:
    """Joint: windows over R joints of T tokens, with 2T modal tokens. Temporal: over T frames of D_n tokens."""
    if measurement.module == "joint":
        length, side, modal = measurement.joints, measurement.frames, 2 * measurement.frames
    else:
        length, side, modal = measurement.frames, measurement.rgb_tokens + measurement.joints + 3, 0
    window = length if measurement.attention == "full" else min(measurement.window, length)
    return Shape(length, side, modal, window)


def score_pairs(shape: Shape) -> int:
    """n · (w·S + M)²: each window's queries times its keys, with the modal tokens among both."""
    queries, _ = sliding_windows(shape.length, shape.window, shape.stride)
    return len(queries) * (shape.window * shape.side + shape.modal) ** 2


def printed_formula(shape: Shape) -> int:
    """(w·S)²: T²·w² for joint and w²·D_n² for temporal stride attention; the window is the axis in full attention."""
    return (shape.window * shape.side) ** 2


def measure(model: SystemConfig, measurement: MeasurementConfig, device: torch.device) -> Complexity:
    """Runs one attention module with the width and heads of `model` on random tokens of one clip."""
    assert isinstance(model, D3DConfig), "only modules of the 3D deformable transformer are measured"
    shape = attention_shape(measurement)
    module = StrideAttention(model, shape.window, shape.stride, drop_path=0.0).to(device)
    tokens = torch.randn(1, shape.length, shape.side, 4 * model.width, device=device)
    modal = torch.randn(1, shape.modal, 4 * model.width, device=device)
    return Complexity(
        score_pairs(shape),
        printed_formula(shape),
        _flops(module, tokens, modal),
        _seconds(module, tokens, modal, measurement.repetitions),
        _saved_bytes(module, tokens, modal) / 2**20,
    )


def forward_gmacs(config: Config, skeleton: Skeleton | None = None) -> float:
    """Billions of multiply-accumulates of one clip's forward pass through a whole system; only a small one is run.

    Every person of the clip is present. `skeleton` is that of one person, for a system that needs a graph.
    """
    return _counted(config.model, config.training.frames, config.data.crop, skeleton)[0]


def parameter_count(config: Config, skeleton: Skeleton | None = None) -> int:
    """The number of trainable parameters."""
    return _counted(config.model, config.training.frames, config.data.crop, skeleton)[1]


def frozen_count(config: Config, skeleton: Skeleton | None = None) -> int:
    """The number of parameters that are not trained."""
    return _counted(config.model, config.training.frames, config.data.crop, skeleton)[2]


@cache  # all seeds of a row have the same cost
def _counted(model: SystemConfig, frames: int, side: int, skeleton: Skeleton | None) -> tuple[float, int, int]:
    """GMACs, and trainable and frozen parameters; `side` is the height and width of the frames in pixels."""
    model = model.everybody_present()
    with torch.device("meta"):
        sizes = [(weight.numel(), weight.requires_grad) for weight in build(model, skeleton).parameters()]
    trained, frozen = (sum(size for size, is_trained in sizes if is_trained == wanted) for wanted in (True, False))
    small = (trained + frozen) * frames * side**2 <= SMALL
    with fork_rng(devices=[]) if small else FakeTensorMode(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        system = build(model, skeleton).eval()
        seen = {"frames": torch.zeros(1, 3, frames, side, side)} if "frames" in model.reads else {}
        if "joints" in model.reads:
            visible = torch.ones(1, frames, model.joints, dtype=torch.bool)
            seen |= {"joints": torch.zeros(1, frames, model.joints, 2), "visible": visible}
        with FlopCounterMode(display=False) as counter:
            system(Batch((side, side), **seen))
    return int(counter.get_total_flops()) / 2e9, trained, frozen  # a multiply-accumulate is two operations


def _flops(module: StrideAttention, tokens: Tensor, modal: Tensor) -> int:
    """Counted with unfused attention: the counter does not see all products of fused kernels."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(tokens, modal)
    return int(counter.get_total_flops())


def _seconds(module: StrideAttention, tokens: Tensor, modal: Tensor, repetitions: int) -> float:
    def step() -> None:
        sum(part.sum() for part in module(tokens, modal)).backward()

    step()
    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    return median(timer.timeit(1).median for _ in range(repetitions))


def _saved_bytes(module: StrideAttention, tokens: Tensor, modal: Tensor) -> int:
    """Bytes that are saved for the backward pass, without the module's parameters and inputs."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), tokens, modal)}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = module(tokens, modal)
    del outputs
    return sum(saved.values())
