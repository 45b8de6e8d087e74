"""Finds what a name means that is spelled differently: `walk_01.MP4` where an annotation says `walk_01`.

Names are looked up as they are written first; this is for those that are not there. One of them means another name
that differs in nothing but capitals, the Unicode form of its letters, blanks around its parts, a known ending or the
folders before it, if exactly one such name is left and nothing else means it. Otherwise nothing is guessed: the names
that resemble it are for a message.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".mov", "_rgb.avi", ".jpg", ".jpeg", ".png")  # that two names may differ in
SHOWN = 3  # names that resemble one, in a message


@dataclass(frozen=True)
class Matches:
    """What names mean that are not there as they are written."""

    meant: Mapping[str, str] = field(default_factory=dict)  # a name → the only one that it can mean
    resembling: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # a name without one → those like it


class _Parts(NamedTuple):
    folders: tuple[str, ...]
    stem: str
    ending: str  # a known one, or empty


def match_names(wanted: Iterable[str], there: Iterable[str]) -> Matches:
    """What each of the `wanted` names means, of the names that are `there`.

    Args:
        wanted: names that are not there as they are written.
        there: names that none is written as; parts of a path are divided by "/" or "\\".

    Of several that could be meant, those in the same folder count before others, and then those with the same ending.
    """
    candidates: dict[str, list[tuple[_Parts, str]]] = defaultdict(list)
    resembling: dict[str, list[str]] = defaultdict(list)
    for name in there:
        parts = _parts(name)
        candidates[parts.stem].append((parts, name))
        resembling[_letters(parts.stem)].append(name)
    choices = {name: _nearest(_parts(name), candidates) for name in dict.fromkeys(wanted)}
    claims = Counter(chosen[0] for chosen in choices.values() if len(chosen) == 1)
    meant = {name: chosen[0] for name, chosen in choices.items() if len(chosen) == 1 and claims[chosen[0]] == 1}
    alike = {
        name: tuple(sorted(resembling[key])[:SHOWN])
        for name in choices
        if name not in meant and (key := _letters(_parts(name).stem)) in resembling
    }
    return Matches(meant, alike)


def nearest_path(path: Path) -> Path:
    """The path, or where nothing is there the only entry of its folder that its name can mean."""
    if path.exists() or not path.parent.is_dir():
        return path
    found = match_names([path.name], (entry.name for entry in path.parent.iterdir()))
    return path.with_name(found.meant.get(path.name, path.name))


def _parts(name: str) -> _Parts:
    *folders, last = [_folded(part) for part in re.split(r"[/\\]", name) if part.strip() not in ("", ".")] or [""]
    ending = max((each for each in ENDINGS if last.endswith(each)), key=len, default="")
    return _Parts(tuple(folders), last.removesuffix(ending).strip(), ending)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())


def _letters(stem: str) -> str:
    """What is left of a folded name without punctuation, blanks and leading zeros."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", " ", stem)).replace(" ", "")


def _nearest(wanted: _Parts, candidates: Mapping[str, Sequence[tuple[_Parts, str]]]) -> list[str]:
    """The names that can be meant and are nearest; more than one where that cannot be decided."""
    ranked: dict[tuple[bool, bool], list[str]] = defaultdict(list)
    for parts, name in candidates.get(wanted.stem, ()):
        common = min(len(wanted.folders), len(parts.folders))
        if wanted.folders[len(wanted.folders) - common :] == parts.folders[len(parts.folders) - common :]:
            same_ending = bool(wanted.ending) and wanted.ending == parts.ending
            ranked[wanted.folders == parts.folders, same_ending].append(name)
    return ranked[max(ranked)] if ranked else []
