"""Where the videos and folders of images of a dataset's clips lie, also where they are not named exactly as the clips.

A name that is not there as written may still be that of one file (near_names.py): a video with a capital ending, a clip
whose id has the ending of its video, or videos in a folder for each action.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from d3d.data.frames import series
from d3d.data.frames.footage import ENDINGS, footage_of
from d3d.data.near_names import match_names

DEEPEST = 3  # folders between the root and a video whose name is not exactly its clip's


@dataclass(frozen=True)
class Places:
    """The video or folder of images of each clip under `root`."""

    root: Path
    endings: tuple[str, ...] = ENDINGS  # of a video that is named as its clip, in the order in which they are tried
    meant: Mapping[str, str] = field(default_factory=dict)  # id of a clip → the file or folder below root that it means
    resembling: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # id → names like it; what is meant is open

    def of(self, id: str) -> Path | None:
        """The video or folder of the clip; None where there is none."""
        return self.root / self.meant[id] if id in self.meant else footage_of(self.root, id, self.endings)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Says for the user that names which are not exactly the clips' were found, with the first as an example."""
        if not self.meant:
            return ()
        id, name = next(iter(self.meant.items()))
        return (
            f"{len(self.meant)} clips are read from files or folders of a similar name, such as {id} from {name!r}",
        )

    def near(self, id: str) -> str:
        """The names like that of a clip which has no frames, for a message; empty where there is none."""
        return ", ".join(self.resembling.get(id, ()))


def find_places(root: Path, ids: Iterable[str], endings: tuple[str, ...] = ENDINGS) -> Places:
    """The places of the clips with these ids, which must be names below `root`.

    Only where a clip has no video or folder of its exact name are the folders below `root` listed.
    """
    exact = Places(root, endings)
    found = {id: exact.of(id) for id in ids}
    lacking = [id for id, path in found.items() if path is None]
    if not lacking:
        return exact
    taken = {f"{id}{ending}" for id, path in found.items() if path for ending in ("", *ENDINGS)}
    there = (name for name in footage_below(root) if name not in taken)
    matches = match_names(lacking, there)
    return Places(root, endings, matches.meant, matches.resembling)


def footage_below(folder: Path, prefix: str = "", deepest: int = DEEPEST) -> Iterator[str]:
    """The names of all videos and folders of images, in no order; a folder of images is not listed to its end.

    Args:
        folder: that is listed.
        prefix: what a name begins with, the folders above `folder`, each followed by "/".
        deepest: how many folders deep it is looked.
    """
    folders: list[str] = []
    videos: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif _ends(entry.name, ENDINGS):
                    videos.append(entry.name)
                elif prefix and _ends(entry.name, series.ENDINGS):
                    yield prefix.removesuffix("/")
                    return
    except OSError:  # not a folder that can be listed: no clip is found in it
        return
    yield from (prefix + name for name in videos)
    if deepest:
        for name in folders:
            yield from footage_below(folder / name, f"{prefix}{name}/", deepest - 1)


def _ends(name: str, endings: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(endings))
