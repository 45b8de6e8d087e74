"""Whatever the bytes of a record are, reading it ends in tables or in one line."""

import random
import shutil
from pathlib import Path

import pytest

from d3d import report
from d3d.errors import RecordError
from tests.report.fake_record import FakeRecord

PUT = (b"", b"\0", b"\xff", b"9", b'"', b"\n")


def spoilt(content: bytes, draw: random.Random) -> bytes:
    """The content with up to three stretches replaced or cut out."""
    for _ in range(draw.randint(1, 3)):
        start, length = draw.randrange(len(content)), draw.choice((1, 2, 8, 64, 600))
        content = content[:start] + length * draw.choice(PUT) + content[start + length :] or b"\0"
    return content


@pytest.mark.parametrize(
    ("files", "times"), [("mlflow.db", 10), ("*/*/*/plan.json", 30), ("*/*/*/predictions.csv", 20)]
)
def test_a_damaged_file_of_the_record_is_said_in_one_line(
    record: FakeRecord, tmp_path: Path, files: str, times: int
) -> None:
    record.rows({"full": 0.75, "depth 2": 0.5}, launch="1a", ablation="depth", artefacts=["depth"], seeds=2)
    draw, refused = random.Random(0), 0
    for number in range(times):
        storage = tmp_path / f"copy {number}"
        shutil.copytree(record.storage, storage)
        path = draw.choice(sorted(storage.glob(files)))
        path.write_bytes(spoilt(path.read_bytes(), draw))
        try:
            report.build([], storage)
        except RecordError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused
