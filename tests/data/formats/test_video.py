from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import fingerprint, sample_file
from d3d.data.formats.shape import MOST_PIXELS
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
    square, view = replace(CLIP, height=64, width=64), View(0, 0, 64, 64, 32, 32)
    frames = read_video(path, square, np.arange(3), view).astype(int)
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


def cut(source: Path, target: Path, start: int) -> Path:
    """The video from frame `start`, copied without encoding; a player hides what is only there to decode the rest."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        stream = whole.streams.video[0]
        copy = part.add_stream_from_template(stream)
        packets = [packet for packet in whole.demux(stream) if packet.size]
        first = sorted(packet.pts for packet in packets if packet.pts is not None)[start]
        for packet in packets:
            assert packet.pts is not None and packet.dts is not None
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, copy
            part.mux(packet)
    return target


def test_frames_that_a_player_hides_are_not_counted(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", draw_discs(CENTRES, HEIGHT, WIDTH), group=250)
    path = cut(whole, tmp_path / "cut.mp4", 30)
    assert read_header(path, "c").frames == LENGTH - 30
    found = found_discs(read_video(path, CLIP, np.array([0, 7, 59]), HALF))
    assert np.abs(found - ((CENTRES[[30, 37, 89]] + 0.5) / 2 - 0.5)).max() < 0.5
    with pytest.raises(DataError, match=r"clip c: .*cut\.mp4 has 60 frames, its joints have 61"):
        look_at(path, clip(61))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_before_the_first_key_frame_are_not_counted(tmp_path: Path, name: str) -> None:
    whole = write_video(tmp_path / "whole.mp4", draw_discs(CENTRES[:40], HEIGHT, WIDTH), group=12)
    path = tmp_path / name
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in [packet for packet in source.demux(stream) if packet.size][5:]:
            packet.stream = copy
            target.mux(packet)
    assert read_header(path, "c").frames == 28
    found = found_discs(read_video(path, CLIP, np.array([0, 27]), HALF))
    assert np.abs(found - ((CENTRES[[12, 39]] + 0.5) / 2 - 0.5)).max() < 0.5


def test_a_video_cut_short_has_the_frames_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame in draw_discs(CENTRES[:20], HEIGHT, WIDTH):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(DataError, match=r"clip c: .*has 1\d frames, its joints have 20"):
        look_at(path, clip(20))


@pytest.mark.parametrize(("degrees", "mirrored"), [(90, 0), (180, 0), (270, 0), (0, 1), (90, 1), (180, 1), (270, 1)])
def test_a_video_is_turned_and_mirrored_as_its_file_says(tmp_path: Path, degrees: int, mirrored: int) -> None:
    shown = draw_discs(CENTRES[:3], HEIGHT, WIDTH)
    stored = np.ascontiguousarray(np.rot90(shown[:, :, :: -1 if mirrored else 1], -degrees // 90, (1, 2)))
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *stored.shape[1:3], "yuv420p"
        stream.set_display_rotation(degrees, hflip=bool(mirrored))  # counterclockwise, and then mirrored
        for frame in stored:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    header = read_header(path, "c")
    assert (header.height, header.width) == (HEIGHT, WIDTH)
    (note,) = look_at(path, clip(3)).notes
    assert ("turned by" in note or mirrored) and ("mirrored" in note) == bool(mirrored)
    for view in (HALF, View(10, 5, 190, 115, 60, 100)):
        found = found_discs(read_video(path, CLIP, np.arange(3), view))
        assert np.abs(found - view.place(CENTRES[:3].astype(np.float32))).max() < 0.5


def test_a_video_of_huge_frames_is_refused_before_they_are_decoded(tmp_path: Path) -> None:
    picture = BytesIO()
    Image.new("L", (8000, 8000)).save(picture, "PNG")
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=30)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray"
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
        container.mux(packet)
    with pytest.raises(DataError, match=f"clip c: .*a frame may have {MOST_PIXELS} pixels at most"):
        look_at(path, clip(1))


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
    (tmp_path / "c" / "frames").mkdir(parents=True)
    (tmp_path / "c" / "img_1.bmp").touch()
    with pytest.raises(DataError, match=r"c has no image directly in it that ends in \.jpg, \.jpeg, \.png; put them"):
        look_at(tmp_path / "c", clip(3))


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


@pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "libx264"), ("clip.avi", "mpeg4")])
def test_a_frame_that_the_decoder_had_to_guess_is_damaged(tmp_path: Path, name: str, codec: str) -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (12, HEIGHT, WIDTH, 3), np.uint8)
    path = write_video(tmp_path / name, noise, codec, group=12)
    content = bytearray(path.read_bytes())
    for place in generator.integers(len(content) // 4, len(content) // 2, 20):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"clip c: .*(is damaged|Invalid data)"):
        read_video(path, clip(12), np.arange(12), HALF)
