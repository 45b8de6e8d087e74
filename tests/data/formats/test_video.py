from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import fingerprint, sample_file
from d3d.data.formats.video import Header, read_header, read_video
from d3d.data.frames.footage import footage_of, look_at, read_footage
from d3d.errors import DataError
from tests.data.video_files import draw_discs, found_discs, path_of_disc, write_video

HEIGHT, WIDTH, LENGTH = 120, 200, 90  # three seconds
CENTRES = path_of_disc(LENGTH, HEIGHT, WIDTH)
FILES = [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.avi", "libx264"), ("clip.avi", "mpeg4")]


def clip(length: int) -> Clip:
    return Clip("c", 0, True, HEIGHT, WIDTH, np.zeros((length, 1, 2), np.float32), np.ones((length, 1), bool), "c")


CLIP, HALF = clip(LENGTH), View(0, 0, WIDTH, HEIGHT, 60, 100)


@pytest.mark.parametrize(("name", "codec"), FILES)
@pytest.mark.parametrize("group", [1, 12, 250])
def test_every_frame_is_the_one_asked_for(tmp_path: Path, name: str, codec: str, group: int) -> None:
    path = write_video(tmp_path / name, draw_discs(CENTRES, HEIGHT, WIDTH), codec, group)
    assert read_header(path, "c") == Header(LENGTH, HEIGHT, WIDTH)
    for indices in (np.arange(LENGTH), np.array([3, 41, 40, 88, 89, 41]), np.array([LENGTH - 1]), np.array([0])):
        frames = read_video(path, CLIP, indices, HALF)
        assert frames.shape == (len(indices), 60, 100, 3)
        expected = (CENTRES[indices] + 0.5) / 2 - 0.5
        assert np.abs(found_discs(frames) - expected).max() < 0.5  # from frame to frame it moves by more


def test_a_part_of_a_frame_is_cut_out_of_a_copy_of_any_size(tmp_path: Path) -> None:
    for name, scale in (("whole.mp4", 1), ("half.mp4", 2)):
        copy = path_of_disc(20, HEIGHT // scale, WIDTH // scale)
        path = write_video(tmp_path / name, draw_discs(copy, HEIGHT // scale, WIDTH // scale))
        centres = ((copy + 0.5) * scale - 0.5).astype(np.float32)
        (left, top), (right, bottom) = centres.min(axis=0) - 25.3, centres.max(axis=0) + 24.6
        view = View(max(0, left), max(0, top), min(WIDTH, right), min(HEIGHT, bottom), 90, 110)
        found = found_discs(read_video(path, CLIP, np.arange(20), view))
        assert np.abs(found - view.place(centres)).max() < 0.6


def test_pixels_keep_their_colours(tmp_path: Path) -> None:
    colours = np.array([(200, 40, 40), (40, 180, 60), (50, 70, 210)], np.uint8)
    path = write_video(tmp_path / "clip.mp4", np.broadcast_to(colours[:, None, None], (3, 64, 64, 3)))
    frames = read_video(path, CLIP, np.arange(3), replace(HALF, rows=32, columns=32)).astype(int)
    assert np.abs(frames - colours[:, None, None]).max() < 8


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_a_video_shorter_than_its_joints_is_refused(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, draw_discs(CENTRES[:20], HEIGHT, WIDTH))
    assert look_at(path, clip(20)).pixels == fingerprint([sample_file(path)])
    with pytest.raises(DataError, match=r"clip c: .*has 20 frames, its joints have 21; restore it"):
        look_at(path, clip(21))
    with pytest.raises(DataError, match=r"clip c: .*has no frame 21"):
        read_video(path, CLIP, np.array([3, 20]), HALF)


def test_a_smaller_video_is_as_good_and_a_turned_one_is_refused(tmp_path: Path) -> None:
    frames = draw_discs(CENTRES[:20], HEIGHT, WIDTH)
    small = write_video(tmp_path / "small.mp4", np.ascontiguousarray(frames[:, ::2, ::2]))
    assert look_at(small, clip(20)).pixels
    turned = write_video(tmp_path / "turned.mp4", np.ascontiguousarray(frames.swapaxes(1, 2)))
    with pytest.raises(DataError, match=r"clip c: .*turned\.mp4 is 120×200, but its joints are in pixels of 200×120"):
        look_at(turned, clip(20))


@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000)])
def test_what_is_no_video_names_clip_and_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"clip c: .*clip\.mp4 cannot be decoded as a video"):
        look_at(path, clip(3))
    with pytest.raises(DataError, match=r"clip c: .*clip\.mp4 cannot be decoded as a video"):
        read_video(path, CLIP, np.array([0]), HALF)


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    write_video(tmp_path / "other.mkv", draw_discs(CENTRES[:5], HEIGHT, WIDTH))
    path = tmp_path / "clip.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/other.mkv\n#EXT-X-ENDLIST\n")
    with pytest.raises(DataError, match=r"clip c: .*clip\.mp4 cannot be decoded as a video"):
        look_at(path, clip(5))


def test_a_video_cut_short_is_refused_by_the_time_it_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", draw_discs(CENTRES, HEIGHT, WIDTH))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="clip c"):
        read_video(path, CLIP, np.arange(LENGTH), HALF)


def test_a_folder_of_images_is_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for number, frame in enumerate(draw_discs(CENTRES[:12], HEIGHT, WIDTH), start=1):
        Image.fromarray(frame).save(folder / f"img_{number}.{'jpg' if number % 2 else 'png'}")
    (folder / "notes.txt").touch()
    path = footage_of(tmp_path, "c")
    assert path == folder and look_at(path, clip(12)).absent == ""
    found = found_discs(read_footage(path, clip(12), np.array([9, 1, 11]), HALF))
    assert np.abs(found - ((CENTRES[[9, 1, 11]] + 0.5) / 2 - 0.5)).max() < 0.5
    with pytest.raises(DataError, match="has 12 frames, its joints have 13"):
        look_at(path, clip(13))


def test_absent_footage_is_said(tmp_path: Path) -> None:
    assert footage_of(tmp_path, "c") is None
    assert look_at(None, clip(3)).absent == "c"
    assert look_at(tmp_path / "c_rgb.avi", clip(3)).absent


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_no_damage_to_a_video_escapes_or_crashes(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, draw_discs(CENTRES[:30, :] / 2, HEIGHT // 2, WIDTH // 2))
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole[: generator.integers(len(whole))] if generator.random() < 0.3 else whole)
        for place in generator.integers(len(damaged), size=generator.integers(1, 30)) if damaged else []:
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            look_at(path, clip(30))
            read_video(path, CLIP, np.arange(2, 30, 5), HALF)
        except DataError as error:
            assert "clip c: " in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 10
