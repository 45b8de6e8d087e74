"""Whether joints can be those of their pictures: coordinates in other units, another rate, sides that are exchanged.

A clip that is unusual is no fault: what is hardly right is said of all clips together, with counts and examples.
A dataset is refused only where most of it cannot be right.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from d3d.data.clip import Clip

FREQUENT = 0.1  # of the clips: what concerns more of them is said by each launch, not by `check` alone
MORE = 1.1  # times as many frames as joints have; a few frames at the end of a video are nothing unusual
FEW = 0.02  # of all joints: where more lie outside their pictures, it is asked whether the sides are exchanged
CORNER = 0.6  # of both sides: joints of many clips that all lie within it are counted in pixels of smaller pictures
NEAR, SHARE = (
    5,
    0.05,
)  # pixels, and part of the shorter side: fractions, and metres, stay nearer to the corner than both
AGAIN = 3  # times that joints are at one place outside the picture, if it stands for joints that were not found
MANY = 10  # clips
EXAMPLES = 3


class Fit(NamedTuple):
    """How the joints of a clip fit its picture and its frames; invisible ones are not considered."""

    length: int  # L, frames that have joints
    available: int  # frames that its files have; 0 where there are none, or it is not known
    visible: int  # joints, over all frames
    outside: int  # of them, those outside the picture
    exchanged: int  # those outside a picture whose height and width are exchanged
    reach: float  # the largest x / width or y / height
    cornered: bool  # all joints are within a few pixels of the picture's corner, and the picture is larger than that
    together: bool  # in every frame all joints are at one place
    still: bool  # no joint moves
    stand_in: str  # the place outside the picture where most of the joints outside it are, such as (-1, -1), or empty


class Doubt(NamedTuple):
    """A statement about clips whose joints are hardly right."""

    text: str  # with counts and examples
    clips: int  # that it concerns
    impossible: str = ""  # why the dataset cannot be right and what to do, where that is so


def fit_of(clip: Clip, available: int) -> Fit:
    """How the joints of a clip fit; `available` as in `Fit`."""
    places = clip.joints[clip.visible]
    if not len(places):
        return Fit(clip.length, available, 0, 0, 0, 0.0, False, False, False, "")
    size = np.array([clip.width, clip.height], np.float32)
    shown = clip.visible[..., None]
    low = np.where(shown, clip.joints, np.inf)
    high = np.where(shown, clip.joints, -np.inf)
    several = clip.visible.sum(axis=1) > 1
    return Fit(
        length=clip.length,
        available=available,
        visible=len(places),
        outside=_outside(places, size),
        exchanged=_outside(places, size[::-1]),
        reach=float((places / size).max()),
        cornered=bool(np.abs(places).max() <= max(1, min(NEAR, SHARE * size.min())) and size.min() > 4),
        together=bool(several.any() and (high.max(axis=1) <= low.min(axis=1))[several].all()),
        still=bool(clip.length > 1 and (high.max(axis=0) <= low.min(axis=0))[clip.visible.any(axis=0)].all()),
        stand_in=_stand_in(places[_is_outside(places, size)]),
    )


def _outside(places: np.ndarray, size: np.ndarray) -> int:
    return int(_is_outside(places, size).sum())


def _is_outside(places: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.asarray(((places < -0.5) | (places > size - 0.5)).any(axis=1))


def _stand_in(outside: np.ndarray) -> str:
    """The place where more than half of the joints outside the picture are; empty where there is none."""
    if len(outside) < AGAIN:
        return ""
    places, counts = np.unique(outside, axis=0, return_counts=True)
    x, y = places[counts.argmax()]
    return f"({x:g}, {y:g})" if 2 * counts.max() > len(outside) and counts.max() >= AGAIN else ""


def doubts(fits: Mapping[str, Fit]) -> list[Doubt]:
    """What is hardly right about the clips with these ids."""
    visible = {id: fit for id, fit in fits.items() if fit.visible}
    count = f"of {len(fits)} clips"
    found = []

    def state(text: str, ids: Sequence[str], impossible: str = "") -> None:
        if ids:
            more = ", …" if len(ids) > EXAMPLES else ""
            line = f"{len(ids)} {count} {text}: {', '.join(ids[:EXAMPLES])}{more}"
            found.append(Doubt(line, len(ids), impossible))

    cornered = [id for id, fit in visible.items() if fit.cornered]
    units = (
        "joints are counted in pixels of the picture, (x, y) from the top left; multiply them by its width and height"
    )
    state(
        "have all their joints within a few pixels of the picture's corner, as fractions of it or metres are",
        cornered,
        units if 2 * len(cornered) > len(visible) else "",
    )
    spread = {id: fit for id, fit in visible.items() if not fit.cornered}
    outside, total = sum(fit.outside for fit in spread.values()), sum(fit.visible for fit in spread.values())
    exchanged = sum(fit.exchanged for fit in spread.values())
    lost = "joints are counted in pixels of the picture, whose size is given as (height, width); correct one of them"
    impossible = lost if 2 * outside > total else ""
    if outside > FEW * total and 10 * exchanged < outside:
        ids = [id for id, fit in spread.items() if fit.exchanged < fit.outside]
        state("have joints outside the picture that fit if its height and width are exchanged", ids, impossible)
    else:
        ids = [id for id, fit in spread.items() if 2 * fit.outside > fit.visible]
        state("have most of their joints outside the picture", ids, impossible)
    reach = max((fit.reach for fit in visible.values()), default=1.0)
    if len(visible) >= MANY and reach < CORNER and not cornered and outside <= FEW * total:
        text = (
            f"have no joint beyond {100 * reach:.0f} % of the picture's sides, as if joints were those of a smaller one"
        )
        state(text, list(visible))
    faster = {id: fit.available / fit.length for id, fit in fits.items() if fit.available > MORE * fit.length + 2}
    if faster:
        first = fits[next(iter(faster))]
        text = (
            f"have more frames in their files than joints, {median(faster.values()):.1f} times as many in the median "
            f"({first.available} for {first.length} in the first); joints of frame i are taken for the files' frame i"
        )
        state(text, list(faster))
    state("have no visible joint", [id for id, fit in fits.items() if not fit.visible])
    state("have all joints at one place", [id for id, fit in visible.items() if fit.together and not fit.cornered])
    state("have joints that never move", [id for id, fit in visible.items() if fit.still and fit.length > 1])
    stand_ins = Counter(fit.stand_in for fit in spread.values() if fit.stand_in and not fit.still)
    for place, _ in stand_ins.most_common(1):
        text = (
            f"have joints at {place} again and again, outside the picture, as if that stood for joints that were not "
            "found; those need a score of 0, or without scores the place (0, 0)"
        )
        state(text, [id for id, fit in spread.items() if fit.stand_in == place])
    return found


def frequent(found: Iterable[Doubt], clips: int) -> tuple[str, ...]:
    """The statements that concern so many of all clips that each launch makes them."""
    return tuple(doubt.text for doubt in found if doubt.clips > FREQUENT * clips)
