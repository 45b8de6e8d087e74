import importlib.util
import os
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.poses import correct, penn_action
from d3d.data.poses import models
from d3d.data.poses.annotate import estimate
from d3d.data.poses.listing import Video
from d3d.data.poses.models import Models, load, read_models, require_runtime
from d3d.errors import ConfigError, DataError

MODELS, PENN_ACTION = os.environ.get("POSE_MODELS"), os.environ.get("PENN_ACTION_ROOT")
RUNTIME = importlib.util.find_spec("ai_edge_litert")


def write_bundle(path: Path, landmarks: bytes = b"landmarks") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("pose_detector.tflite", b"detector")
        bundle.writestr("pose_landmarks_detector.tflite", landmarks)
    return path


def test_models_are_files_or_a_bundle(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "pose_landmarker_full.task", b"full")
    assert read_models(bundle, None) == read_models(tmp_path, None) == Models(b"detector", b"full")
    (tmp_path / "pose_detection.tflite").write_bytes(b"other")
    (tmp_path / "pose_landmark_lite.tflite").write_bytes(b"lite")
    assert read_models(tmp_path, None).landmarks == b"full", "the most accurate one"
    lite = read_models(tmp_path, "lite")
    assert lite == Models(b"other", b"lite") and lite.digest != read_models(tmp_path, "full").digest
    with pytest.raises(DataError, match=r"poses\.models=.*: has no pose_landmarker_heavy\.task, and not both"):
        read_models(tmp_path, "heavy")


def test_what_is_no_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.task"
    with pytest.raises(DataError, match=r"poses\.models=.*a\.task: is no bundle of BlazePose's two models"):
        read_models(path, None)
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is no bundle"):
        read_models(path, None)
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("pose_detector.tflite", b"detector")
    with pytest.raises(DataError, match=r"no item named 'pose_landmarks_detector\.tflite'"):
        read_models(path, None)
    monkeypatch.setattr(models, "LARGEST", 1000)
    write_bundle(path, bytes(10**6))
    with pytest.raises(DataError, match=r"pose_landmarks_detector\.tflite has more than 1000 bytes"):
        read_models(path, None)
    for name in ("pose_detection.tflite", "pose_landmark_lite.tflite"):
        (tmp_path / name).write_bytes(bytes(1001))
    with pytest.raises(DataError, match=r"pose_detection\.tflite has more than 1000 bytes"):
        read_models(tmp_path, "lite")


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.delitem(sys.modules, "ai_edge_litert.interpreter", raising=False)
    with pytest.raises(ConfigError, match=r"the extra d3d\[poses\] is not installed .* -m pip install ai-edge-litert$"):
        require_runtime()


@pytest.mark.skipif(RUNTIME is None, reason="the extra d3d[poses] is not installed")
def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(DataError, match=r"poses\.models: the detector is no model of TensorFlow Lite"):
        load(Models(b"no model at all", b"nor this"))


@pytest.mark.skipif(
    RUNTIME is None or MODELS is None or PENN_ACTION is None,
    reason="set POSE_MODELS to a folder of BlazePose's models and PENN_ACTION_ROOT to a folder with some images",
)
def test_the_models_find_most_joints_of_a_clip() -> None:
    assert MODELS and PENN_ACTION
    estimator = load(read_models(Path(MODELS), None))
    each = min(penn_action(Path(PENN_ACTION)), key=lambda each: each.clip.length)
    assert correct(estimate(Video("a", each.path, "", "", ""), estimator), each.clip).mean() > 0.5
