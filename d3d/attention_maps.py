"""What is kept of a look at attention: numbers of every test clip, and the maps of a few. Read without torch."""

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3d.text import from_spreadsheet_entry, spreadsheet_entry

NUMBERS = (
    "frames",  # Spearman's correlation of the deformable attention on a frame with its motion energy
    "frames_exchanged",  # the same with the attention in clips of other recordings, their mean
    "joints",  # the correlation of the attention on a joint with its speed
    "joints_exchanged",
    "tokens_most_hidden",  # whether the clip is right without the tokens that are attended most: 0 or 1
    "tokens_random_hidden",  # without as many random ones; the mean of several draws
    "joints_most_hidden",  # the same for joints
    "joints_random_hidden",
)
MOST_BYTES = 500_000_000  # of the arrays of a file of maps


@dataclass(frozen=True)
class Maps:
    """The attention in N clips of T frames, on a grid of T×h×w tokens and on R joints."""

    clips: NDArray[np.str_]  # N ids
    actions: NDArray[np.str_]  # N names of the true actions
    predicted: NDArray[np.str_]  # N
    frames: NDArray[np.uint8]  # N×T×s×s×3: what the model saw, made smaller
    volume: NDArray[np.float32]  # N×T×h×w deformable attention, the mean over blocks; empty where there is none
    points: NDArray[np.float32]  # N×K×3 sampled places of the last block, as (t, y, x) token indices
    weights: NDArray[np.float32]  # N×K, the attention on each
    joints: NDArray[np.float32]  # N×R×T attention on joints, NaN where one is no key; empty where there is none
    positions: NDArray[np.float32]  # N×T×R×2 (x, y), as fractions of the frame; NaN where not visible
    names: NDArray[np.str_]  # R names of the joints
    limbs: NDArray[np.int64]  # L×2 joints


def write_numbers(numbers: Mapping[str, Mapping[str, float]]) -> str:
    """The text of attention.csv, from clip → number → value; a number that is not known is NaN, and left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip", *NUMBERS])
    for clip, values in numbers.items():
        shown = ("" if np.isnan(values[name]) else f"{values[name]:.6g}" for name in NUMBERS)
        writer.writerow([spreadsheet_entry(clip), *shown])
    return text.getvalue()


def read_numbers(text: str) -> dict[str, dict[str, float]]:
    """The numbers in an attention.csv. Raises ValueError that says in a line what is wrong."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return {
            from_spreadsheet_entry(row["clip"]): {name: float(row[name] or "nan") for name in NUMBERS} for row in rows
        }
    except (AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"attention.csv, line {rows.line_num}: {error!r}") from error


def write_maps(maps: Maps) -> bytes:
    """The maps as the bytes of an .npz file."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {field.name: getattr(maps, field.name) for field in fields(maps)}
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def read_maps(content: bytes) -> Maps:
    """The maps in an .npz file; nothing in it is unpickled. Raises ValueError that says in a line what is wrong."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Maps(**{field.name: arrays[field.name] for field in fields(Maps)})
    except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"attention_maps.npz: {error}") from error
