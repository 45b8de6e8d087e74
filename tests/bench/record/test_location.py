"""Where a record is."""

from pathlib import Path

import pytest

from d3d.bench.database import sqlite_file
from d3d.bench.record.location import record_uri, shown
from d3d.errors import ConfigError
from tests.bench.conftest import ODD


@pytest.mark.parametrize("name", ["plain", *ODD])
def test_without_a_uri_it_is_in_the_storage_folder(tmp_path: Path, name: str) -> None:
    uri = record_uri(None, tmp_path / name)
    assert sqlite_file(uri) == tmp_path / name / "mlflow.db"
    assert shown(uri) == str(tmp_path / name / "mlflow.db")


def test_a_file_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in ("sqlite:///a.db", "sqlite:///~/a.db", f"sqlite:///{tmp_path}/a.db"):
        assert shown(record_uri(uri, tmp_path / "storage")) == str(tmp_path / "a.db")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://ann:s3cret@127.0.0.1:5000", "http://***@127.0.0.1:5000"),
        ("postgresql://ann:s3cret@host/name", "postgresql://***@host/name"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_server_is_used_as_it_was_named_and_shown_without_secrets(uri: str, words: str) -> None:
    assert record_uri(uri, Path("storage")) == uri
    assert shown(uri) == words


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "is no URI of a record.*leave it out"),
        ("somewhere", "is no URI of a record"),
        ("ftp://somewhere", "is no URI of a record"),
        ("file:///somewhere", "is no URI of a record"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://host/a.db", "names no file"),
        ("sqlite:///a.db?timeout=9", "options are not supported"),
        ("http://", "its host or its port is not valid"),
        ("http://host:port", "its host or its port is not valid"),
        ("http://ann:s3cret/s3cret@host:1", "its host or its port is not valid"),
        ("http://ann:s3cret s3cret@host:1", "a blank"),
        ("postgresql://ann:s3cret@host:port/name", "its host or its port is not valid"),
        ("http://***@host:5000", "were not printed.*MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_what_is_no_record_is_refused_in_words_that_have_no_password(uri: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^tracking\.uri.*{words}") as fault:
        record_uri(uri, Path("storage"))
    assert "ann" not in str(fault.value)
    assert "s3cret" not in str(fault.value)
