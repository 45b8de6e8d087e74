"""The web pages of a storage folder: where their files may lie, and what is said when there is nothing to serve."""

import socket
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from d3d.bench.record.pages import PAGES, ContainedArtifacts, Page, database_of_record, main, serve
from d3d.errors import RecordError


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """The folder of a record's files, with the file of one run; beside it lies what is secret."""
    run = tmp_path / "artifacts" / "run"
    run.mkdir(parents=True)
    (run / "some.txt").write_text("some")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (secret / "traces.json").write_text("{}")
    return tmp_path / "artifacts"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_files_within_the_folder(artifacts: Path, scheme: str) -> None:
    files: Any = ContainedArtifacts(artifacts, f"{scheme}{artifacts}/run")
    assert [each.path for each in files.list_artifacts()] == ["some.txt"]
    assert Path(files.download_artifacts("some.txt")).read_text() == "some"
    files.delete_artifacts("some.txt")
    assert not files.list_artifacts()


def test_a_run_whose_files_lie_elsewhere(artifacts: Path) -> None:
    (artifacts / "link").symlink_to(artifacts.parent / "secret")
    for place in ("../secret", "run/../../secret", "link", "link/deeper", "../artifacts-of-another"):
        with pytest.raises(MlflowException, match="outside"):
            ContainedArtifacts(artifacts, str(artifacts / place))


def test_a_link_among_the_files_of_a_run(artifacts: Path) -> None:
    secret = artifacts.parent / "secret"
    (artifacts / "run" / "link").symlink_to(secret)
    (artifacts / "run" / "traces.json").symlink_to(secret / "traces.json")
    files: Any = ContainedArtifacts(artifacts, str(artifacts / "run"))
    for harm in (
        lambda: files.download_artifacts("link/key"),
        lambda: files.list_artifacts("link"),
        lambda: files.log_artifact(str(artifacts / "run" / "some.txt"), "link"),
        lambda: files.delete_artifacts("link/key"),
        files.download_trace_data,
    ):
        with pytest.raises(MlflowException, match="outside"):
            harm()
    assert {path.name for path in secret.iterdir()} == {"key", "traces.json"}


def test_a_folder_without_a_record_or_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecordError, match=r"mlflow\.db: there is no record yet.*STORAGE="):
        database_of_record(tmp_path)
    assert main(["optuna", str(tmp_path), "8080"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["elsewhere", "results", "1"], ["ui", "results", "port"], []])
def test_arguments_that_name_no_page(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert ", ".join(PAGES) in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    page = Page("nothing", lambda _: "/", lambda _: lambda environ, start_response: [])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RecordError, match=rf"port {port}: Address already in use.*PORT="):
            serve(page, tmp_path, port)
