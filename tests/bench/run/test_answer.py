import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from d3d.bench.run.answer import run_predict
from d3d.command import main
from d3d.config import Config, TrainingConfig
from d3d.data.clip import Dataset
from d3d.data.readers.pickled_annotations import find_annotation
from d3d.models.d3d.config import D3DConfig
from d3d.trained_cell import load_cell
from tests.conftest import TINY_DATA
from tests.test_trained_cell import ID, frames_of, trained


@pytest.fixture(scope="module")
def place(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained cell in results/, a folder of images jump/, and its joints in joints.pkl."""
    folder = tmp_path_factory.mktemp("place")
    model = D3DConfig(classes=len(tiny_dataset.classes), width=2, depth=1, heads=1, kernel=2)
    training = TrainingConfig(frames=4, warmup_epochs=1.0, batch_size=8, learning_rate=1e-2)
    trained(folder / "results", Config(model=model, data=TINY_DATA, training=training), tiny_dataset)
    clip = tiny_dataset.test[0]
    (folder / "jump").mkdir()
    for index, frame in enumerate(frames_of(clip, tiny_dataset)):
        Image.fromarray(frame).save(folder / "jump" / f"{index:03d}.png")
    scores = clip.visible[None].astype(np.float32)
    annotation = {"frame_dir": "jump", "keypoint": clip.joints[None], "keypoint_score": scores}
    (folder / "joints.pkl").write_bytes(pickle.dumps([annotation, {**annotation, "frame_dir": "run"}]))
    (folder / "others.pkl").write_bytes(pickle.dumps([{"frame_dir": "a"}, {"frame_dir": "b"}]))
    (folder / "listed.pkl").write_bytes(pickle.dumps([{"frame_dir": "jump", "keypoint": [1, 2]}]))
    return folder


@pytest.fixture
def asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that ask the cell about the images, in their folder."""
    monkeypatch.chdir(place)
    return [f"cell={ID}", "video=jump"]


def test_the_answer_is_printed_and_drawn(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_predict([*asked, "joints=joints.pkl", "views=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    cell = load_cell("results", ID)
    annotation = find_annotation("joints", Path("joints.pkl"), "jump")
    answer = cell.predict(cell.clip("jump", annotation["keypoint"], annotation["keypoint_score"]), views=2)
    named = [f"{name} {100 * probability:.1f} %" for name, probability in answer.probabilities.items()]
    assert [re.sub(r"^answer", "", line).strip() for line in lines[3:8]] == named[:5]
    assert lines[0] == f"cell     {ID}, d3d, {len(cell.classes)} classes"
    picture = Path(lines[-1].removeprefix("picture").strip())
    assert picture == Path("results/answers") / f"jump-{ID}.png"
    with Image.open(picture) as drawn:
        assert len(np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)) > 100


def test_the_picture_goes_where_it_is_asked_to_go(asked: list[str]) -> None:
    assert run_predict([*asked, "joints=joints.pkl", "picture=there/answer.png"]) == 0
    assert Path("there/answer.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "reads 13 joints of each person; name those of the video, joints=FILE.pkl, or estimate them"),
        (["joints=others.pkl"], "joints=others.pkl: 0 annotations of jump; it has 2: a, b"),
        (["joints=listed.pkl"], "joints=listed.pkl: jump has no array keypoint"),
        (["joints=nowhere.pkl"], "joints=nowhere.pkl: not a pickle"),
        (["joints=joints.pkl", "video=nowhere.mp4"], "0 annotations of nowhere"),
        (["joints=joints.pkl", "video=run"], "frames=run: cannot be read"),
        (["joints=joints.pkl", "views=0"], "evaluation.views=0: must be at least 1"),
        (["joints=joints.pkl", "views=two"], "views=two: must be a whole number"),
        (["joints=joints.pkl", "picture=answer.doc"], "picture=answer.doc: cannot be written"),
        (["joints=joints.pkl", "cell=00"], "there is no record"),
        (["poses.models=models"], "estimates COCO's 17 joints, this cell reads 13 others"),
        (["vide=jump"], "vide=jump: unknown key; did you mean video?"),
        (["cell="], "cell=: give it a value"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(
    asked: list[str], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *asked, *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line


@pytest.mark.parametrize("key", ["cell", "video"])
def test_what_is_needed_is_asked_for(key: str, asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *(word for word in asked if not word.startswith(key))]) == 2
    assert f"{key}= is missing" in capsys.readouterr().err
