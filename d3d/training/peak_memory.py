"""The most memory that one training used, in a process that may have trained others before it."""

import re
from contextlib import suppress
from pathlib import Path

import torch

RESET = "5"  # to /proc/self/clear_refs: the peak of resident memory begins anew (proc_pid_clear_refs(5))


class PeakMemory:
    """Begins anew when it is made; so one is made as a training begins.

    On a CPU it is that of the whole process: Python, torch and the clips it keeps are part of it.
    """

    def __init__(self, device: torch.device, process: Path = Path("/proc/self")) -> None:
        self.device = device
        self.process = process
        self.known = True  # whether it could be begun anew: else it may be of another training
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            try:
                (process / "clear_refs").write_text(RESET)
            except OSError:  # another system than Linux, or one that does not let a process ask
                self.known = False

    @property
    def mib(self) -> float | None:
        """So far, in MiB; None where the system does not say it of this training alone."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        if self.known:
            with suppress(OSError):
                if found := re.search(r"^VmHWM:\s*(\d+) kB$", (self.process / "status").read_text(), re.MULTILINE):
                    return int(found[1]) / 2**10
        return None
