"""The peak memory of one training, in a process that may have run others before it."""

import re
from contextlib import suppress
from pathlib import Path

import torch

RESET = "5"  # written to /proc/self/clear_refs, it resets the peak of resident memory (proc_pid_clear_refs(5))


class PeakMemory:
    """The peak since this object was made, which is therefore made when a training starts.

    On a CPU it is that of the whole process, with Python, torch and cached clips. `process` is the process's folder
    under /proc.
    """

    def __init__(self, device: torch.device, process: Path = Path("/proc/self")) -> None:
        self.device = device
        self.process = process
        self.known = True  # false where it could not be reset: the peak may be of another training
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            try:
                (process / "clear_refs").write_text(RESET)
            except OSError:  # not Linux, or the process is not allowed to
                self.known = False

    @property
    def mib(self) -> float | None:
        """The peak so far in MiB; None where the system does not tell that of this training alone."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        if self.known:
            with suppress(OSError):
                if found := re.search(r"^VmHWM:\s*(\d+) kB$", (self.process / "status").read_text(), re.MULTILINE):
                    return int(found[1]) / 2**10
        return None
