"""A contact sheet of a clip: the frames that a test would take, with the joints drawn on them."""

from dataclasses import replace
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from d3d.config import DataConfig
from d3d.data.clip import Clip, ReadFrames
from d3d.data.frames.view import view_of
from d3d.data.samples.sampling import regular_indices
from d3d.data.skeleton import Skeleton
from d3d.data.source import Source, read_each
from d3d.errors import DataError

SHORT = 320  # short side of a frame on the sheet, pixels
COLUMNS = 4
CAPTION = 30  # pixels below a frame
COLOURS = ((0, 225, 255), (255, 90, 230), (140, 255, 80), (255, 170, 0))  # of the first, second, … person
UNSEEN = (255, 255, 255)  # of an invisible joint: a cross where it is in the nearest frame that shows it
CROP = (255, 255, 0)


def contact_sheet(source: Source, id: str, data: DataConfig, frames: int) -> Image.Image:
    """The picture of a clip. Raises DataError where there is no such clip or it is broken.

    Args:
        source: the dataset.
        id: of the clip.
        data: the view, and the size of the crop, which is drawn as a square.
        frames: T, frames that a test samples from a clip.
    """
    clip = find_clip(source, id)
    split = "to train on" if clip.train else "to test on"
    title = (
        f"{source.name}, {source.frame_source}: clip {id}, {source.classes[clip.label]}, {split}, {clip.length} frames"
    )
    return sheet_of(clip, source.read_frames, source.skeleton, data, frames, title)


def sheet_of(
    clip: Clip, read: ReadFrames, skeleton: Skeleton, data: DataConfig, frames: int, title: str
) -> Image.Image:
    """The picture of a clip: the frames of a test with the joints drawn on them, below a title.

    Args:
        clip: whose joints are drawn.
        read: reads its pixels.
        skeleton: of one person.
        data: the view, and the size of the crop, which is drawn as a square.
        frames: T, frames that a test samples from a clip.
        title: one line.
    """
    indices = regular_indices(clip.length, min(frames, clip.length))
    view = view_of(clip, data.view, SHORT)
    pictures, joints = read(clip, indices, view), view.place(clip.joints)
    height, width = view.rows, view.columns
    rows = -(-len(indices) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, CAPTION + rows * (height + CAPTION)), (25, 25, 25))
    pen = ImageDraw.Draw(sheet)
    pen.text((6, 9), f"{title}, {clip.width}x{clip.height}; the square is the centre crop, a cross an invisible joint")
    for place, (index, picture) in enumerate(zip(indices.tolist(), pictures, strict=True)):
        tile = Image.fromarray(picture)
        draw_clip(ImageDraw.Draw(tile), clip, joints, index, skeleton)
        side = data.crop / data.resize * SHORT
        left, top = (width - side) / 2, (height - side) / 2
        ImageDraw.Draw(tile).rectangle((left, top, left + side - 1, top + side - 1), outline=CROP)
        x, y = place % COLUMNS * width, CAPTION + place // COLUMNS * (height + CAPTION)
        sheet.paste(tile, (x, y))
        hidden = int((~clip.visible[index]).sum())
        pen.text((x + 6, y + height + 9), f"frame {index}, {hidden} of {clip.visible.shape[1]} joints invisible")
    return sheet


def find_clip(source: Source, id: str) -> Clip:
    """The clip with this id. Raises DataError where there is none, or where it cannot be read."""
    ids = {source.id_of(entry): entry for entry in source.entries}
    if id not in ids:
        near = get_close_matches(id, ids, 1, 0.5) or list(ids)[:1]
        raise DataError(f"clip={id}: {source.place} has no such clip; there is, for example, {', '.join(near)}")
    (found,) = read_each(replace(source, entries=(ids[id],)))
    if isinstance(found, DataError):
        raise found
    if found.absent:
        raise DataError(f"clip {id}: {found.absence}; restore it, or data.frames=rendered")
    return found.clip


def draw_clip(
    pen: ImageDraw.ImageDraw, clip: Clip, joints: NDArray[np.float32], index: int, skeleton: Skeleton
) -> None:
    """Draws the joints of one frame: those of `draw_persons`, and a cross at an invisible one.

    Args:
        pen: of the picture.
        clip: whose joints are drawn, for their visibility.
        joints: L×R×2, (x, y) in pixels of the picture.
        index: of the frame.
        skeleton: of one person.
    """
    draw_persons(pen, skeleton, joints[index], clip.visible[index])
    for joint in (~clip.visible[index]).nonzero()[0].tolist():
        if (nearest := _nearest(clip.visible[:, joint], index)) is not None:
            x, y = joints[nearest, joint].tolist()
            pen.line((x - 4, y - 4, x + 4, y + 4), UNSEEN)
            pen.line((x - 4, y + 4, x + 4, y - 4), UNSEEN)


def draw_persons(
    pen: ImageDraw.ImageDraw,
    skeleton: Skeleton,
    joints: NDArray[np.float32],
    visible: NDArray[np.bool_],
    *,
    thickness: int = 2,
) -> None:
    """Draws limbs between visible joints, and a disc at each visible joint, in another colour for each person.

    Args:
        pen: of the picture.
        skeleton: of one person.
        joints: R×2, (x, y) in pixels of the picture, person after person.
        visible: R.
        thickness: of limbs, pixels; their black edges come on top of that.
    """
    each, places, radius = len(skeleton.joint_names), [(x, y) for x, y in joints.tolist()], 1.5 * thickness
    for person in range(len(places) // each):
        own, colour = range(person * each, (person + 1) * each), COLOURS[person % len(COLOURS)]
        for start, end in ((own[a], own[b]) for a, b in skeleton.limbs):
            if visible[start] and visible[end]:
                pen.line((places[start], places[end]), (0, 0, 0), 2 * thickness)
                pen.line((places[start], places[end]), colour, thickness)
        for x, y in (places[joint] for joint in own if visible[joint]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour, (0, 0, 0))


def _nearest(visible: NDArray[np.bool_], index: int) -> int | None:
    """The frame nearest to `index` in which the joint is visible; None where it never is."""
    shown = visible.nonzero()[0]
    return int(shown[np.abs(shown - index).argmin()]) if len(shown) else None
