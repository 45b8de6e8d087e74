import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import d3d
from d3d.config import Config
from d3d.data.clip import Clip, Dataset, View
from d3d.data.readers.registry import open_dataset
from d3d.errors import CheckpointError, ConfigError, DataError, RecordError
from d3d.models.gcn.config import GCNConfig
from d3d.models.r2plus1d.config import R2Plus1DConfig
from d3d.prediction import Prediction
from d3d.trained_cell import TrainedCell, load_cell
from d3d.training.checkpoint import FILE, read_description, save_checkpoint
from d3d.training.evaluation import evaluate_trained
from d3d.training.loop import train
from tests.report.fake_record import new_record
from tests.training.trainings import CPU

ID = "0123456789abcdef"
PAGE = Path(__file__).parents[1] / "docs" / "library.md"


def trained(storage: Path, config: Config, dataset: Dataset) -> tuple[TrainedCell, tuple[Prediction, ...]]:
    """A cell of this configuration, trained for an epoch, and what its test predicted."""
    config = replace(config, training=replace(config.training, epochs=1, average=0.5))
    predictions = train(config, dataset, CPU, storage / "cells" / ID, lambda _: None)
    return load_cell(storage, ID), predictions


def frames_of(clip: Clip, dataset: Dataset) -> NDArray[np.uint8]:
    """All frames of a clip at their full size, L×H×W×3."""
    whole = View(0, 0, clip.width, clip.height, clip.height, clip.width)
    return dataset.read_frames(clip, np.arange(clip.length), whole)


def test_a_cell_answers_for_a_test_clip_as_its_test_did(tiny_config: Config, tmp_path: Path) -> None:
    dataset = open_dataset(tiny_config.data, tmp_path / "data")
    cell, predictions = trained(tmp_path, tiny_config, dataset)
    assert cell.classes == dataset.classes and not cell.model.training
    for clip, prediction in zip(dataset.test[:3], predictions, strict=False):
        [folder] = (tmp_path / "data").rglob(f"{clip.id}/")
        answer = cell.predict(cell.clip(folder, clip.joints[None], clip.visible[None]))
        assert answer.action == dataset.classes[prediction.predicted]
        assert next(iter(answer.probabilities)) == answer.action
        found = [answer.probabilities[name] for name in dataset.classes]
        np.testing.assert_allclose(found, prediction.probabilities, atol=1e-6)
        array = cell.predict(cell.clip(frames_of(clip, dataset), clip.joints[None], clip.visible[None]))
        found = [array.probabilities[name] for name in dataset.classes]
        np.testing.assert_allclose(found, prediction.probabilities, atol=1e-3)  # JPEGs were decoded at another size


def test_several_views_are_averaged_as_in_a_test(tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path) -> None:
    cell, _ = trained(tmp_path, tiny_config, tiny_dataset)
    several = replace(cell.config, evaluation=replace(cell.config.evaluation, views=3))
    folder = tmp_path / "cells" / ID
    tested = evaluate_trained(several, cell.config, tiny_dataset, CPU, folder).predictions[0]
    clip = tiny_dataset.test[0]
    own = cell.clip(frames_of(clip, tiny_dataset), clip.joints[None], clip.visible[None])
    answer = cell.predict(own, views=3)
    np.testing.assert_allclose([answer.probabilities[name] for name in cell.classes], tested.probabilities, atol=1e-3)
    one = cell.predict(own)
    assert one.probabilities != answer.probabilities
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    with pytest.raises(ConfigError, match=r"evaluation\.views=0"):
        cell.predict(own, views=0)


def test_where_a_cell_looks(tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path) -> None:
    cell, _ = trained(tmp_path, tiny_config, tiny_dataset)
    clip = tiny_dataset.test[0]
    [block] = cell.attention(cell.clip(frames_of(clip, tiny_dataset), clip.joints[None], clip.visible[None]))
    assert block.deformable is not None and block.deformable.volume.shape[0] == cell.config.training.frames
    assert block.joints is not None and block.joints.shape == (13, cell.config.training.frames)


def test_of_several_persons_those_who_move_most_are_taken(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    cell, _ = trained(tmp_path, tiny_config, tiny_dataset)
    clip = tiny_dataset.test[0]
    frames = frames_of(clip, tiny_dataset)
    still = np.repeat(clip.joints[:1], clip.length, axis=0)
    both = np.stack([still, clip.joints]), np.stack([clip.visible] * 2)
    alone = cell.predict(cell.clip(frames, clip.joints[None], clip.visible[None]))
    assert cell.predict(cell.clip(frames, *both)) == alone


def test_what_a_model_does_not_read_need_not_be_given(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    classes, clip = len(tiny_dataset.classes), tiny_dataset.test[0]
    frames, joints = frames_of(clip, tiny_dataset), clip.joints[None]
    size = (clip.height, clip.width)
    on_joints, _ = trained(
        tmp_path / "a", replace(tiny_config, model=GCNConfig(classes=classes, width=2)), tiny_dataset
    )
    assert on_joints.predict(on_joints.clip(None, joints, size=size)) == on_joints.predict(
        on_joints.clip(frames, joints)
    )
    on_frames, _ = trained(
        tmp_path / "b", replace(tiny_config, model=R2Plus1DConfig(classes=classes, width=2)), tiny_dataset
    )
    assert on_frames.predict(on_frames.clip(frames)) == on_frames.predict(on_frames.clip(frames, joints))
    with pytest.raises(DataError, match="frames are missing: this model reads pixels"):
        on_frames.predict(on_frames.clip(None, joints, size=size))
    with pytest.raises(ConfigError, match=r"model\.system=gcn has no attention"):
        on_joints.attention(on_joints.clip(frames, joints))


def test_a_model_of_drawings_draws_the_joints_itself(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    config = replace(tiny_config, data=replace(tiny_config.data, frames="rendered"))
    cell, _ = trained(tmp_path, config, tiny_dataset)
    clip = tiny_dataset.test[0]
    answer = cell.predict(cell.clip(None, clip.joints[None], clip.visible[None], size=(clip.height, clip.width)))
    black = np.zeros((clip.length, clip.height, clip.width, 3), np.uint8)
    assert cell.predict(cell.clip(black, clip.joints[None], clip.visible[None])) == answer


def test_a_test_has_the_weights_of_the_training_that_it_tested(
    tiny_config: Config, tiny_dataset: Dataset, empty_database: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "results"
    record = new_record(empty_database, storage)
    trained(storage, tiny_config, tiny_dataset)
    record.finish("fedcba9876543210", trained=ID)
    record.finish("00ff", trained="gone")
    assert d3d.load_cell(storage, "fedcba9876543210").id == ID
    for id in ("00ff", "0000", f"../cells/{ID}", "0'1", ""):
        with pytest.raises(CheckpointError, match=f"no weights of cell {id}; name a training"):
            load_cell(storage, id)
    with pytest.raises(RecordError, match="there is no record"):
        load_cell(tmp_path, "fedcba9876543210")


def test_a_description_says_nothing_of_where_files_were(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    here = replace(tiny_config, data=replace(tiny_config.data, root="/home/me/secret", groups="/home/me/groups.csv"))
    trained(tmp_path, here, tiny_dataset)
    assert b"/home/me" not in (tmp_path / "cells" / ID / FILE).read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": [1, 2]}, "cannot be used"),
        ({"persons": "many"}, "cannot be used"),
        ({"skeleton": {"joint_names": ["a", "a"], "mirrored": None}}, "a is listed twice"),
        ({"config": {}}, "its description is incomplete"),
        ({"config": {"model": {"system": "d3d", "width": "wide"}}}, "cannot be used"),
        ({"config": {"model": {"system": "antigravity:Fly"}}}, r"to import and run it say system='antigravity:Fly'"),
        (None, "does not say of which model"),
    ],
)
def test_a_description_that_cannot_be_used(
    change: dict[str, Any] | None, said: str, tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    trained(tmp_path, tiny_config, tiny_dataset)
    folder, weights = tmp_path / "cells" / ID, torch.nn.Linear(1, 1)
    described = None if change is None else {**read_description(folder), **change}
    save_checkpoint(folder, tiny_config, weights, torch.optim.SGD(weights.parameters()), 1, described=described)
    with pytest.raises(CheckpointError, match=said):
        load_cell(tmp_path, ID)


def test_clips_that_cannot_be_used_are_said_in_a_line(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    cell, _ = trained(tmp_path, tiny_config, tiny_dataset)
    clip = tiny_dataset.test[0]
    frames, joints = frames_of(clip, tiny_dataset), clip.joints[None]
    infinite = np.where(joints == joints[0, 0, 0], np.float32(np.inf), joints)
    for given, said in (
        ((frames,), "keypoint is missing: this model reads 13 joints"),
        ((None, joints), r"without frames, keypoint and size=\(H, W\) in pixels are needed"),
        ((frames.astype(np.float32), joints), r"frames are float32 of shape .*, not uint8 of L×H×W×3"),
        ((frames, joints[0]), rf"keypoint is \({clip.length}, 13, 2\), not M×{clip.length}×13×2"),
        ((frames, joints[:, :, :12]), "not M×"),
        ((frames, joints, np.ones((1, 2))), r"score is \(1, 2\)"),
        ((frames, infinite), "not at a finite place"),
        ((frames[:0], joints[:, :0]), "a clip of 0 frames of"),
        ((tmp_path / "nowhere.mp4", joints), "nowhere.mp4: cannot be read"),
    ):
        with pytest.raises(DataError, match=said):
            cell.clip(*given)


def test_the_examples_of_the_page_run(
    tiny_config: Config,
    tiny_dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell, _ = trained(tmp_path / "results", tiny_config, tiny_dataset)
    clip = tiny_dataset.test[0]
    (tmp_path / "jump").mkdir()
    for index, frame in enumerate(frames_of(clip, tiny_dataset)):
        Image.fromarray(frame).save(tmp_path / "jump" / f"{index:03d}.png")
    np.save(tmp_path / "keypoint.npy", clip.joints[None])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] in cell.classes and len(lines) == 1 + 3 + 1 + 2
    assert lines[-1] in cell.skeleton.joint_names


def test_an_unknown_name_of_the_library_is_said() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'load_cel'"):
        d3d.load_cel  # noqa: B018
