import errno
import fcntl
import os
from pathlib import Path

import pytest

from d3d.bench.declare.compose import compose
from d3d.bench.plan.machine import check_resources, check_storage, gpu_count, locked, slots
from d3d.cpus import cpu_count
from d3d.errors import ScheduleError


def test_a_storage_folder_that_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    check_storage(tmp_path / "a" / "b")
    check_storage(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_storage_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ScheduleError, match="file/results: cannot be written"):
        check_storage(tmp_path / "file" / "results")


@pytest.mark.parametrize(
    ("name", "words"), [("x" * 300, "cannot be written"), ("a\nb", "no text"), ("caf\udce9", "no text")]
)
def test_a_name_that_no_storage_folder_can_have_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as fault:
        check_storage(tmp_path / name)
    assert str(fault.value).isprintable()


@pytest.mark.parametrize("kind", ["flock", "lockf"])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, kind, none)
    with pytest.raises(ScheduleError, match="its file system has no locks"):
        check_storage(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_lock_that_another_user_owns_is_a_line(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # what root, who may write any file, cannot open either
    with pytest.raises(ScheduleError, match="cannot be locked"), locked(tmp_path):
        pass


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScheduleError, match="cannot be written \\(No space left on device\\)"):
        check_storage(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_storage_folder_serves_one_launch_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "results"):
        with pytest.raises(ScheduleError, match="another launch is using it"), locked(tmp_path / "results"):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "results"):
        pass


def test_a_storage_folder_that_cannot_be_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ScheduleError, match="cannot be locked"), locked(tmp_path):
        pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (f"resources.cpus={cpu_count() + 1}", f"this machine has {cpu_count()}"),
        ("resources.cpus=1 resources.cpus_per_cell=2", "this launch has 1 CPUs"),
        ("cluster.address=auto resources.cpus=1", "a cluster has its own"),
        ("cluster.address=127.0.0.1:1", "does not answer"),
    ],
)
def test_more_than_there_is_is_refused(arguments: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        check_resources(compose(["ablation=full", *arguments.split()]))


@pytest.mark.skipif(gpu_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    check_resources(compose(["ablation=full", "resources.gpus_per_cell=0"]))
    with pytest.raises(ScheduleError, match=r"gpus_per_cell=0\.5: this machine has no GPU"):
        check_resources(compose(["ablation=full", "resources.gpus_per_cell=0.5"]))


def test_cells_run_at_once_as_far_as_the_processors_go() -> None:
    cpus = cpu_count()
    without_gpus = ["ablation=full", "resources.gpus_per_cell=0"]
    assert slots(compose(without_gpus)) == cpus
    assert slots(compose([*without_gpus, f"resources.cpus_per_cell={cpus}"])) == 1
    assert slots(compose([*without_gpus, "resources.cpus=1"])) == 1
