"""How many CPUs this process may use: of those that the machine has, the part that it was given.

A batch system or a container gives a process a part of the machine in one of three ways: it pins the process to some
CPUs, it limits the CPU time of the process's control group, or it only says in an environment variable how many CPUs
were asked for.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")  # the first that is set counts: a task has a part of its node
HIERARCHIES = ("", "unified", "cpu", "cpu,cpuacct", "cpuacct,cpu")  # folders of /sys/fs/cgroup with limits of CPU time


def cpu_count(root: Path = Path("/")) -> int:
    """The CPUs that this process may use, at least 1.

    The least of: the CPUs it is pinned to, the CPU time that its control groups may use (version 1 or 2, rounded down
    to whole CPUs), and what SLURM allotted to its task.

    Args:
        root: of the file system that describes the control groups.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([there, *_quotas(root), *_allotted()]))


def _allotted() -> list[int]:
    """The CPUs that SLURM says this process has; empty outside of its jobs."""
    values = [os.environ.get(name, "") for name in SLURM]
    return [int(value) for value in values if value.isdecimal() and int(value) > 0][:1]


def _quotas(root: Path) -> Iterator[int]:
    """The whole CPUs within the limit of each control group of this process, from its own up to the root."""
    for path in _control_groups(root):
        for hierarchy in HIERARCHIES:
            mounted = root / "sys/fs/cgroup" / hierarchy
            for group in (path, *path.parents):  # in a container the path may be that of the host, which is not there
                with suppress(OSError, ValueError, ZeroDivisionError):
                    quota, period = _limit(mounted / group)
                    if quota > 0:  # version 1 says -1 where there is no limit
                        yield quota // period


def _control_groups(root: Path) -> set[Path]:
    """The paths of the control groups of this process, relative to where a hierarchy is mounted."""
    with suppress(OSError, UnicodeDecodeError):
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
        return {Path(line.split(":", 2)[2].strip("/")) for line in lines if line.count(":") >= 2}
    return set()


def _limit(group: Path) -> tuple[int, int]:
    """The CPU time that a control group may use, and of which time, both in microseconds.

    Raises OSError where the group has no such limit, and ValueError where the limit is "max".
    """
    if (group / "cpu.max").exists():
        quota, period = (group / "cpu.max").read_text("utf-8").split()
        return int(quota), int(period)
    return int((group / "cpu.cfs_quota_us").read_text("utf-8")), int((group / "cpu.cfs_period_us").read_text("utf-8"))
