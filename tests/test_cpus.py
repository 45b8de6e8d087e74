import os
from pathlib import Path

import pytest

from d3d.cpus import SLURM, cpu_count

V1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 8 CPUs, outside of any job."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_process_has_the_cpus_that_it_is_pinned_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpu_count(tmp_path) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5})
    assert cpu_count(tmp_path) == 1


@pytest.mark.parametrize(("limit", "cpus"), [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1)])
@pytest.mark.parametrize("group", ["", "job", "job/step"])
def test_the_limit_of_any_enclosing_group_counts_in_version_2(
    tmp_path: Path, limit: str, cpus: int, group: str
) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/job/step\n")
    write(tmp_path, f"sys/fs/cgroup/{group}/cpu.max", f"{limit}\n")
    assert cpu_count(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [(-1, 8), (250000, 2), (2000000, 8)])
@pytest.mark.parametrize("group", ["", "docker/1234"])
def test_the_limit_of_a_group_counts_in_version_1(tmp_path: Path, quota: int, cpus: int, group: str) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/elsewhere\n3:cpu,cpuacct:/docker/1234\n0::/\n")
    for name, value in zip(V1, (quota, 100000), strict=True):
        write(tmp_path, f"sys/fs/cgroup/cpu,cpuacct/{group}/{name}", f"{value}\n")
    assert cpu_count(tmp_path) == cpus


@pytest.mark.parametrize(
    ("job", "cpus"),
    [
        ({"SLURM_CPUS_ON_NODE": "4"}, 4),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "2"}, 2),
        ({"SLURM_CPUS_ON_NODE": "64"}, 8),
        ({"SLURM_CPUS_ON_NODE": "", "SLURM_CPUS_PER_TASK": "many"}, 8),
        ({"SLURM_CPUS_ON_NODE": "0"}, 8),
    ],
)
def test_a_job_of_slurm_has_what_it_was_allotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: dict[str, str], cpus: int
) -> None:
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    assert cpu_count(tmp_path) == cpus
