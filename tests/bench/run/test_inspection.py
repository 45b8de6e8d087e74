import io
import pickle
from pathlib import Path

import pytest
from rich.console import Console

from d3d.bench.declare.compose import compose_inspection
from d3d.bench.run.inspection import run_check, run_show
from d3d.errors import DataError
from tests.data.pyskl_files import annotation


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """The keys of a dataset of six clips and two folds; a clip of the second has a label too many."""
    clips = [annotation(f"c{number}", number % 2) for number in range(6)]
    clips[5]["label"] = 9
    split = {"train1": ["c0", "c1"], "test1": ["c2", "c3"], "train2": ["c2", "c3", "c0"], "test2": ["c1", "c5"]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": split, "annotations": clips}))
    place = [f"data.annotations={tmp_path / 'a.pkl'}", f"storage={tmp_path}", "resources.cpus=1"]
    return ["data=pyskl", *place, "data.frames=rendered", "data.splits=[train*,test*]"]


def test_check_reads_each_fold_and_show_draws_from_the_first_that_has_the_clip(data: list[str], tmp_path: Path) -> None:
    said = Console(file=io.StringIO(), width=200)
    assert run_check(compose_inspection("check", [*data, "data.fold=1"]), said) == 0
    assert run_check(compose_inspection("check", [*data, "data.fold=[1,2]"]), said) == 1
    text = said.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("fold 1, splits train1 and test1\n") == 2 and text.count("fold 2, splits train2 and test2\n") == 1
    assert "4: 2 to train on, 2 to test on" in text and "5: 3 to train on, 2 to test on" not in text
    assert "clip c5 of " in text.partition("fold 2")[2]
    show = compose_inspection("show", [*data, "data.fold=[1,2]", "clip=c5", "data.classes=10"])
    assert run_show(show, said) == 0 and list((tmp_path / "sheets").iterdir())
    with pytest.raises(DataError, match=r"no split 'train3' .*data\.splits=\[train\*,test\*\] data\.fold=\[1,2\]$"):
        run_show(compose_inspection("show", [*data, "data.fold=[1,3]", "clip=c5"]), said)
