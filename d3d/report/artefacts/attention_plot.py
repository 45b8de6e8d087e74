"""Draws attention maps: 3D deformable attention over frames, and joint stride attention beside skeletons."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from d3d.attention_maps import Maps
from d3d.report.artefacts.plots import WIDTHS, images, style

SHOWN = 3  # clips of a figure
MOST_FRAMES = 12  # of a clip, in a row
LEAST_FRAME = 0.5  # inches of a frame in a paper
DOTS_EACH = 12  # sampled points with the most attention that are drawn in a frame
WIDTH = 6.4  # inches
SIDE, LINE = 0.94, 1.4  # of a frame, and of a line with its title, in cells of a frame
JOINT_LINE, CLIP_LINE = 0.13, 0.3  # inches in a paper: of a joint's name, and below a clip's joints
HIGHEST = 8.5  # inches of a figure in a paper
LEAST_SIDE, MOST_SIDE = 8.0, 60.0  # area of a point or a joint, in square points
HEAT = "inferno"


def draw(maps: Maps, module: str, after: int = 0) -> dict[str, bytes]:
    """The figure, as end of a file's name → bytes; none if the model lacks the attention or no clips are left for it.

    Args:
        maps: Of a test.
        module: "deformable" or "joint".
        after: The number of figures that show the clips before.
    """
    numbers = chosen(maps, after)
    if not numbers or not len(maps.volume if module == "deformable" else maps.joints):
        return {}
    plot = _deformable if module == "deformable" else _joints
    with style():
        return images(plot(maps, numbers, WIDTH), lambda width: plot(maps, numbers, width, for_paper=True))


def clips_said(maps: Maps, module: str, after: int = 0) -> str:
    """A sentence that names the clips that `draw` draws for a paper."""
    numbers = chosen(maps, after)
    drawn = numbers if module == "deformable" else _fitting(maps, numbers)
    return f"From top to bottom: {'; '.join(_said(maps, number) for number in drawn)}."


def chosen(maps: Maps, after: int = 0) -> list[int]:
    """The clips of a figure, at most SHOWN, where `after` figures come before.

    Right and wrong ones take turns while there are both.
    """
    wrong = [number for number in range(len(maps.clips)) if maps.actions[number] != maps.predicted[number]]
    right = [number for number in range(len(maps.clips)) if number not in wrong]
    pairs = [each for both in zip(right, wrong, strict=False) for each in both]
    ordered = [*pairs, *(each for each in (*right, *wrong) if each not in pairs)]
    return ordered[after * SHOWN : (after + 1) * SHOWN]


def _said(maps: Maps, number: int) -> str:
    action, predicted = str(maps.actions[number]), str(maps.predicted[number])
    verdict = "predicted rightly" if action == predicted else f"taken for {predicted}"
    return f"clip {maps.clips[number]}: {action}, {verdict}"


def _fitting(maps: Maps, numbers: Sequence[int]) -> Sequence[int]:
    """The clips whose joints fit a page of a paper one below the other."""
    return numbers[: max(1, int(HIGHEST / (CLIP_LINE + JOINT_LINE * len(maps.names))))]


def _taken(frames: int, most: int) -> list[int]:
    """At most `most` of T frames, evenly spread."""
    return [int(each) for each in np.linspace(0, frames - 1, min(frames, most)).round()]


def _deformable(maps: Maps, numbers: Sequence[int], width: float, for_paper: bool = False) -> Figure:
    """For each clip a line of frames with attention over them, on one scale, and the sampled points as dots.

    For a paper the lines have no titles, and as many frames as are LEAST_FRAME wide.
    """
    line, most = (1.0, min(MOST_FRAMES, int(width / LEAST_FRAME))) if for_paper else (LINE, MOST_FRAMES)
    taken = _taken(maps.frames.shape[1], most)
    height = len(numbers) * line
    figure = Figure(figsize=(width, width * height / len(taken)))
    axes = figure.add_axes((0, 0, 1, 1))  # all frames in one, each a square of SIDE in a cell of 1
    for top, number in zip(np.arange(len(numbers)) * line + line - 1, numbers, strict=True):
        if not for_paper:
            axes.text(0, top - 0.1, _said(maps, number), fontsize=7, va="bottom")
        heat = maps.volume[number] / (float(maps.volume[number].max()) or 1.0)
        for left, frame in enumerate(taken):
            place = (left, left + SIDE, top + SIDE, top)
            axes.imshow(maps.frames[number, frame], extent=place)
            axes.imshow(heat[frame], HEAT, vmin=0, vmax=1, alpha=0.55, extent=place, interpolation="bilinear")
            x, y, share = _dots(maps, number, frame)
            axes.scatter(left + SIDE * x, top + SIDE * y, s=1 + 8 * share, c="white", linewidths=0)
    axes.set(xlim=(0, len(taken)), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _dots(maps: Maps, number: int, frame: int) -> tuple[NDArray[np.float32], ...]:
    """The sampled points nearest to a frame that have the most attention.

    x and y as fractions of the frame, and the attention as a fraction of the clip's highest.
    """
    points, weights = maps.points[number], maps.weights[number]
    here = np.flatnonzero(points[:, 0].round() == frame)
    here = here[np.argsort(-weights[here], kind="stable")[:DOTS_EACH]]
    _, rows, columns = maps.volume[number].shape
    x, y = (points[here, 2] + 0.5) / columns, (points[here, 1] + 0.5) / rows
    return x, y, weights[here] / (float(weights.max()) or 1.0)


def _joints(maps: Maps, numbers: Sequence[int], width: float, for_paper: bool = False) -> Figure:
    """For each clip the skeleton in its middle frame, and the attention on each named joint over the frames.

    A joint that is a key of no window stays white. For a paper the clips have no titles, all letters are of 8 points,
    and in a column there is no room for skeletons.
    """
    rows = len(maps.names)
    each, names = max(1.4, 0.4 + 0.12 * rows), 4.5 if rows > 20 else 6
    if for_paper:
        numbers, each, names = _fitting(maps, numbers), CLIP_LINE + JOINT_LINE * rows, 8
    figure = Figure(figsize=(width, len(numbers) * each), layout="constrained")
    ratios = (1, 2.6) if width > WIDTHS["column"] else (1,)
    grid = figure.subplots(len(numbers), len(ratios), squeeze=False, width_ratios=ratios)
    for (*left, right), number in zip(grid, numbers, strict=True):
        attention = maps.joints[number]
        for axes in left:
            _skeleton(axes, maps, number, attention)
        image = right.imshow(attention, cmap=HEAT, aspect="auto", vmin=0)
        right.set_yticks(range(rows), [str(name)[:24] for name in maps.names], fontsize=names)
        if number == numbers[-1]:
            right.set_xlabel("frame")
        if for_paper:
            right.xaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            right.set_title(_said(maps, number), fontsize=7, loc="left")
        figure.colorbar(image, ax=right, label="attention")
    return figure


def _skeleton(axes: Axes, maps: Maps, number: int, attention: NDArray[np.float32]) -> None:
    """The joints in the middle frame, larger and brighter the more they are attended over the clip."""
    frame = maps.frames.shape[1] // 2
    axes.imshow(maps.frames[number, frame], extent=(0, 1, 1, 0), alpha=0.6)
    places = maps.positions[number, frame]
    for a, b in _limbs(maps.limbs):
        axes.plot(places[[a, b], 0], places[[a, b], 1], color="white", linewidth=0.8)
    means = np.nan_to_num(attention).mean(axis=1)  # of a joint that is no key 0
    share = means / (float(means.max()) or 1.0)
    size = LEAST_SIDE + (MOST_SIDE - LEAST_SIDE) * share
    axes.scatter(places[:, 0], places[:, 1], s=size, c=share, cmap=HEAT, vmin=0, vmax=1, edgecolors="white", lw=0.4)
    axes.set(xlim=(0, 1), ylim=(1, 0))
    axes.set_axis_off()


def _limbs(limbs: NDArray[np.int64]) -> Sequence[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in limbs]
