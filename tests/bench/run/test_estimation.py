import re
from pathlib import Path

import pytest

from d3d.bench.run import estimation
from d3d.command import main
from d3d.data.poses.models import Models
from tests.data.poses.discs import Discs, write_disc, write_videos


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The arguments of a command that estimates with a stand-in for the models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimation, "require_runtime", lambda: None)
    monkeypatch.setattr(estimation, "read_models", lambda place, size: Models(b"detector", b"landmarks"))
    monkeypatch.setattr(estimation, "load", lambda models: Discs())
    return ["poses", "data.root=videos", "poses.models=models", "resources.cpus=1"]


def test_videos_become_a_dataset_that_check_accepts(
    estimated: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_videos(tmp_path / "videos", *(f"{action}/{take}.mp4" for action in ("wave", "jump") for take in "ab"))
    write_disc(root / "wave" / "c.mp4", dark=12)
    write_disc(root / "wave" / "d.mp4", dark=7)
    assert main(estimated) == 0
    said = capsys.readouterr().out
    for line in (
        "6/6 videos\n",
        "videos         6: 3 in train, 3 in val\n",
        "note           1 clip without a person: wave/c\n",
        "note           1 clip with a person in less than half of their frames: wave/d\n",
        "frames         72, a person found in 73.6 % of them\n",
        "broken         nothing\n",
    ):
        assert line in said
    (following,) = [line for line in said.splitlines() if line.startswith("next ")]
    words = following.partition("check ")[2].split()
    assert words[0] == "data=pyskl" and main(["check", *words, "data.resize=30", "data.crop=24"]) == 0
    checked = capsys.readouterr().out
    assert re.search(r"^jump +1 +1$", checked, re.MULTILINE) and "broken         nothing" in checked


def test_a_broken_video_is_named_and_left_out(
    estimated: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_videos(tmp_path / "videos", "wave/a.mp4", "wave/b.mp4")
    (root / "wave" / "c.mp4").write_bytes(b"no video")
    assert main([*estimated, "poses.output=here/mine.pkl"]) == 1
    assert "broken         clip wave/c: " in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"mine.pkl", "mine.label_map.txt", "mine.clips"}


def test_only_poses_takes_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "poses.models=models"]) == 2
    assert "poses.models=models: only the command `poses` takes this key; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["poses.models=models"], "data.root is not set"),
        (["data.root=videos"], "poses.models is not set"),
        (["data.root=videos", "poses.models=models", "poses.output=mine.csv"], "mine.csv: is no file FILE.pkl"),
        (["data.root=none", "poses.models=models"], "none: is no folder"),
        (["data.root=videos", "poses.model=models"], "unknown key (did you mean poses.models?)"),
        (["data.root=videos", "poses.models=models", "poses.size=huge"], "poses.size=huge: must be 'lite', 'full'"),
        (["data.root=videos", "poses.models="], "poses.models=: names nothing"),
        (["data.root=videos", "ablation=full"], "ablation=full: poses reads data and trains nothing; leave it out"),
    ],
)
def test_bad_input_is_one_line(
    estimated: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str
) -> None:
    write_videos(tmp_path / "videos", "wave/a.mp4", "wave/b.mp4")
    assert main(["poses", *arguments]) == 2
    said = capsys.readouterr().err
    assert fault in said and said.count("\n") == 1
