"""Which clips are of one recording: as a list of the user's says, or as the names of known datasets tell."""

import re
from collections.abc import Mapping
from pathlib import Path

from d3d.data.formats.csv_lines import read_csv_lines
from d3d.errors import DataError

HEADER = ["clip", "group"]

_NAMES = (
    r"([\w-]{11})_(?:E_)?\d{6}_\d{6}.*",  # FineGYM and Kinetics: the video, then when the event and the action begin
    r"(S\d{3})C\d{3}(P\d{3})R\d{3}A\d{3}.*",  # NTU RGB+D: the setup and the performer
    r"(v_\w+_g\d+)_c\d+",  # UCF101: the action and the group of clips that are cut from one video
    r"(.+)_[fhlu]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+",  # HMDB51, JHMDB: the film and the action
)


def group_of(id: str) -> str:
    """The recording that a clip is of, where its id tells; else the id; its folders and ending do not count."""
    name = re.sub(r"\.\w{2,4}$", "", id.rpartition("/")[2])
    matches = (re.fullmatch(pattern, name, re.ASCII) for pattern in _NAMES)
    return next(("".join(match.groups()) for match in matches if match), id)


def read_groups(path: Path) -> Mapping[str, str]:
    """Clip → group, as a CSV file of two columns lists them; a first line "clip,group" is a heading.

    Raises DataError where it cannot be read, or where a line is no clip and group, or gives a clip another group.
    """
    lines = read_csv_lines(path, "data.groups", "clip,group")
    groups: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line]
        if not any(fields) or (number == 1 and [field.lower() for field in fields] == HEADER):
            continue
        if len(fields) != 2 or not all(fields):
            raise DataError(f"data.groups={path}: line {number} is {','.join(line)[:80]!r}; write a clip and its group")
        clip, group = fields
        if groups.setdefault(clip, group) != group:
            raise DataError(f"data.groups={path}: line {number} gives clip {clip} a second group; keep one of the two")
    return groups
