from pathlib import Path

from d3d.data.frames.places import find_places


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_exact_names_come_first_and_no_folder_is_listed_for_them(tmp_path: Path) -> None:
    write(tmp_path, "c.mp4", "c.MP4", "C.avi", "d/img_1.jpg")
    places = find_places(tmp_path, ["c", "d"])
    assert (places.of("c"), places.of("d"), places.meant) == (tmp_path / "c.mp4", tmp_path / "d", {})
    assert places.remarks == ()


def test_a_similar_name_is_found_and_said(tmp_path: Path) -> None:
    write(tmp_path, "a.MP4", "walk/b.avi", "walk/C/img_1.JPG", "walk/C/img_2.JPG", "walk/notes.txt", ".a.avi")
    places = find_places(tmp_path, ["a.mp4", "b", "c"])
    found = [str(path.relative_to(tmp_path)) for id in ("a.mp4", "b", "c") if (path := places.of(id))]
    assert found == ["a.MP4", "walk/b.avi", "walk/C"]
    assert places.remarks == ("3 clips are read from files or folders of a similar name, such as a.mp4 from 'a.MP4'",)


def test_the_frames_of_another_clip_are_never_taken(tmp_path: Path) -> None:
    write(tmp_path, "c.mp4", "c.avi", "x-1.mp4")
    places = find_places(tmp_path, ["c", "C", "c.mkv", "x_1", "nothing"])
    assert [places.of(id) for id in ("C", "c.mkv", "x_1", "nothing")] == [None] * 4
    assert (places.near("x_1"), places.near("nothing")) == ("x-1.mp4", "")


def test_a_root_that_is_missing_has_no_places(tmp_path: Path) -> None:
    assert find_places(tmp_path / "none", ["c"]).of("c") is None
