"""Whether joints can be those of their pictures: coordinates in other units, another rate, sides that are exchanged.

A clip that is unusual is no fault: what is hardly right is said of all clips together, with counts and examples.
A dataset is refused only where most of it cannot be right.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from d3d.data.clip import Clip

FREQUENT = 0.1  # of the clips: what concerns more of them is said by each launch, not by `check` alone
MORE = 1.1  # times as many frames as joints have; a few frames at the end of a video are nothing unusual
FEW = 0.02  # of all joints: where more lie outside their pictures, it is asked whether the sides are exchanged
CORNER = 0.6  # of both sides: joints of many clips that all lie within it are counted in pixels of smaller pictures
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
    fractions: bool  # all coordinates are between −1 and 1, and the picture is larger than that
    together: bool  # in every frame all joints are at one place
    still: bool  # no joint moves


class Doubt(NamedTuple):
    """A statement about clips whose joints are hardly right."""

    text: str  # with counts and examples
    clips: int  # that it concerns
    impossible: str = ""  # why the dataset cannot be right and what to do, where that is so


def fit_of(clip: Clip, available: int) -> Fit:
    """How the joints of a clip fit; `available` as in `Fit`."""
    places = clip.joints[clip.visible]
    if not len(places):
        return Fit(clip.length, available, 0, 0, 0, 0.0, False, False, False)
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
        fractions=bool(np.abs(places).max() <= 1 and size.min() > 4),
        together=bool(several.any() and (high.max(axis=1) <= low.min(axis=1))[several].all()),
        still=bool(clip.length > 1 and (high.max(axis=0) <= low.min(axis=0))[clip.visible.any(axis=0)].all()),
    )


def _outside(places: np.ndarray, size: np.ndarray) -> int:
    return int(((places < -0.5) | (places > size - 0.5)).any(axis=1).sum())


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

    fractions = [id for id, fit in visible.items() if fit.fractions]
    units = (
        "joints are counted in pixels of the picture, (x, y) from the top left; multiply them by its width and height"
    )
    state(
        "have all their joints between -1 and 1, within a pixel of the picture's corner",
        fractions,
        units if 2 * len(fractions) > len(visible) else "",
    )
    outside, total = sum(fit.outside for fit in visible.values()), sum(fit.visible for fit in visible.values())
    exchanged = sum(fit.exchanged for fit in visible.values())
    lost = "joints are counted in pixels of the picture, whose size is given as (height, width); correct one of them"
    impossible = lost if 2 * outside > total else ""
    if outside > FEW * total and 10 * exchanged < outside:
        ids = [id for id, fit in visible.items() if fit.exchanged < fit.outside]
        state("have joints outside the picture that fit if its height and width are exchanged", ids, impossible)
    else:
        ids = [id for id, fit in visible.items() if 2 * fit.outside > fit.visible]
        state("have most of their joints outside the picture", ids, impossible)
    reach = max((fit.reach for fit in visible.values()), default=1.0)
    if len(visible) >= MANY and reach < CORNER and not fractions and outside <= FEW * total:
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
    state("have all joints at one place", [id for id, fit in visible.items() if fit.together and not fit.fractions])
    state("have joints that never move", [id for id, fit in visible.items() if fit.still and fit.length > 1])
    return found


def frequent(found: Iterable[Doubt], clips: int) -> tuple[str, ...]:
    """The statements that concern so many of all clips that each launch makes them."""
    return tuple(doubt.text for doubt in found if doubt.clips > FREQUENT * clips)
