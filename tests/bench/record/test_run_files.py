"""A storage folder that was moved, copied or renamed: its record is read, and written, where it is now."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from d3d.bench.database import sqlite_uri
from d3d.bench.plan.planning import Plan
from d3d.bench.record import tracking
from d3d.bench.record.pages import database_of_record
from d3d.bench.record.run_files import read_file, write_file
from d3d.bench.record.schema import DATABASE, EXPERIMENT, Launch
from d3d.errors import RecordError
from d3d.prediction import Prediction
from d3d.report.record import Record
from tests.bench.conftest import ODD, finished_in

TAGS = {"preset": "smoke", "data": "synthetic, files", "code_digest": "c0de", "ablation.full": "true"}


def uri_of(storage: Path) -> str:
    return sqlite_uri(storage / DATABASE)


def finish(storage: Path, plan: Plan, number: int, label: int = 3) -> None:
    """One of the plan's cells is carried out, by a launch in the storage folder."""
    record = tracking.prepare(uri_of(storage), storage)
    with record.reports(plan):
        record.begin(plan.cells[number], TAGS).finish([Prediction("0001", label, label)])


def labels(storage: Path) -> list[int]:
    """Of the one clip, as the finished cells of the one launch have it, in their order."""
    record = Record(storage)
    [launch] = record.launches()
    assert isinstance(launch, Launch) and not record.skipped
    return [cell.predictions[0].label for cell in record.cells(launch).values()]


def as_an_older_version_left_it(storage: Path) -> None:
    """With the path of the folder in the database."""
    place = str(storage / "artifacts")
    with closing(sqlite3.connect(storage / DATABASE)) as database, database:
        database.execute("update experiments set artifact_location = ? where name = ?", (place, EXPERIMENT))
        database.execute("update runs set artifact_uri = ? || '/' || run_uuid || '/artifacts'", (place,))


def files(storage: Path) -> dict[Path, bytes]:
    return {path.relative_to(storage): path.read_bytes() for path in (storage / "artifacts").rglob("*.*")}


def places(storage: Path) -> set[str]:
    """How the database begins to say where the files of runs are."""
    with closing(sqlite3.connect(storage / DATABASE)) as database:
        found = database.execute("select artifact_uri from runs").fetchall()
    return {uri.partition("/")[0] for (uri,) in found}


@pytest.fixture(params=[False, True], ids=["new", "older"])
def storage(request: pytest.FixtureRequest, empty_record: Path, plan: Callable[..., Plan], tmp_path: Path) -> Path:
    """A storage folder in which a launch with one seed was carried out."""
    storage = copytree(empty_record, tmp_path / "first")
    finish(storage, plan("ablation=full", "seeds=2"), 0)
    if request.param:
        as_an_older_version_left_it(storage)
    return storage


@pytest.mark.parametrize("name", ["second", *ODD])
def test_a_folder_that_was_moved_is_read_and_written_where_it_is(
    storage: Path, plan: Callable[..., Plan], tmp_path: Path, name: str
) -> None:
    moved = storage.rename(tmp_path / name)
    assert labels(moved) == [3]
    launch = plan("ablation=full", "seeds=2")
    assert finished_in(tracking.Record(uri_of(moved))).keys() == {launch.cells[0].id}, "nothing is trained again"
    finish(moved, launch, 1, label=4)
    assert labels(moved) == [3, 4]
    assert {path.name for path in tmp_path.iterdir()} == {name}


def test_a_folder_and_its_copy_have_nothing_in_common(storage: Path, plan: Callable[..., Plan], tmp_path: Path) -> None:
    copy = copytree(storage, tmp_path / "copy")
    launch, before = plan("ablation=full", "seeds=2"), files(storage)
    finish(copy, launch, 1, label=4)
    assert files(storage) == before
    assert (labels(storage), labels(copy)) == ([3], [3, 4])
    finish(storage, launch, 1, label=5)
    assert (labels(storage), labels(copy)) == ([3, 5], [3, 4])


def test_a_copy_does_not_read_what_it_lacks_from_the_folder_it_was_made_of(storage: Path, tmp_path: Path) -> None:
    copy = copytree(storage, tmp_path / "copy")
    for path in copy.rglob("predictions.csv"):
        path.unlink()
    with pytest.raises(RecordError, match=r"predictions\.csv cannot be read"):
        labels(copy)
    assert labels(storage) == [3]


def test_a_launch_and_the_page_leave_no_place_in_the_database(
    storage: Path, plan: Callable[..., Plan], tmp_path: Path
) -> None:
    copy = copytree(storage, tmp_path / "copy #1?")
    tracking.prepare(uri_of(storage), storage)
    assert database_of_record(copy) == copy / DATABASE
    assert places(storage) == places(copy) == {"mlflow-artifacts:"}
    assert labels(copy) == [3]


@pytest.mark.parametrize("name", ["records", *ODD])
def test_a_database_outside_the_storage_folder_has_the_files_beside_it(
    empty_record: Path, tmp_path: Path, name: str
) -> None:
    """So that it can be moved and copied too."""
    folder = copytree(empty_record, tmp_path / name)
    uri = uri_of(folder)
    record = tracking.prepare(uri, tmp_path / "storage")
    run = record.client.create_run(record.experiments[0])
    write_file(run, uri, "some.txt", "hé")
    copied = copytree(folder, tmp_path / "copy")
    write_file(run, uri_of(copied), "some.txt", "other")
    assert read_file(run, uri, "some.txt") == "hé"
    assert (folder / "artifacts" / run.info.run_id / "artifacts" / "some.txt").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name, "copy"}


def test_an_older_database_outside_the_storage_folder_says_where_the_files_are(
    empty_record: Path, tmp_path: Path
) -> None:
    storage, uri = tmp_path / "my%20results?", uri_of(copytree(empty_record, tmp_path / "records"))
    with closing(sqlite3.connect(tmp_path / "records" / DATABASE)) as database, database:
        place = (storage / "artifacts").as_uri()
        database.execute("update experiments set artifact_location = ? where name = ?", (place, EXPERIMENT))
    record = tracking.prepare(uri, storage)
    run = record.client.create_run(record.experiments[0])
    write_file(run, uri, "some.txt", "hé")
    assert read_file(run, uri, "some.txt") == "hé"
    assert (storage / "artifacts" / run.info.run_id / "artifacts" / "some.txt").is_file()
