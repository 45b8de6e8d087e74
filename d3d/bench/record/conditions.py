"""Records the conditions of a run on which its last digits depend: library versions, processor, threads, autocast."""

import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from d3d.bench.record.schema import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    import torch

SEPARATOR = " + "  # joins the values of a run that was continued elsewhere; with spaces, as a version may contain "+"

SEVERAL = {
    "python": "versions of Python",
    "torch": "versions of PyTorch",
    "numpy": "versions of NumPy",
    "pillow": "versions of Pillow",
    "ffmpeg": "versions of FFmpeg",
    "cuda": "versions of CUDA",
    "driver": "versions of the driver",
    "processor": "processors",
    "threads": "numbers of threads",
    "autocast": "types of automatic casting",
}  # recorded condition → what a note calls different values of it


def conditions(device: "torch.device", threads: int) -> dict[str, str]:
    """The tags of a run on a device with so many threads; a condition that does not apply has no tag."""
    import av  # imported here because the report reads SEVERAL without needing these libraries
    import torch

    from d3d.training.forward import autocast_dtype

    gpu = device.type == "cuda"
    found = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": version("numpy"),
        "pillow": version("pillow"),
        "ffmpeg": str(av.ffmpeg_version_info),
        "cuda": torch.version.cuda if gpu else None,
        "driver": _driver() if gpu else None,
        "processor": torch.cuda.get_device_name(device) if gpu else _processor(),
        "threads": str(threads),
        "autocast": str(autocast_dtype(device) or "none").removeprefix("torch."),
    }
    return {f"{ENVIRONMENT_PREFIX}{name}": value for name, value in found.items() if value}


def joined(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run that was continued under other conditions: each different value once, joined by SEPARATOR."""
    both = {}
    for key in [key for key in {**before, **now} if key.startswith(ENVIRONMENT_PREFIX)]:
        values = [value for tags in (before, now) if key in tags for value in tags[key].split(SEPARATOR)]
        both[key] = SEPARATOR.join(dict.fromkeys(values))
    return both


def _processor() -> str:
    """The model name of this machine's CPU, as the operating system reports it."""
    with suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return found[1].strip()
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    """The version of NVIDIA's driver, if the operating system reports it."""
    with suppress(OSError):
        if found := re.search(r"Kernel Module.*?\s(\d[\d.]+)", Path("/proc/driver/nvidia/version").read_text()):
            return found[1]
    return None
