from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.look.contact_sheet import COLOURS, SHORT, UNSEEN, contact_sheet
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.skeleton import PENN_ACTION, Skeleton
from d3d.errors import DataError
from tests.data.penn_files import HEIGHT, WIDTH, label, write_label, write_root


def test_a_sheet_has_a_joint_where_the_clip_has_it(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    fields = label(train=np.int32(1))
    fields["visibility"][3:, 0] = 0  # only the first frames show the head
    write_label(root, "0001", fields)
    source = penn_action_source(root)
    sheet = np.asarray(contact_sheet(source, "0001", DataConfig(resize=30, crop=24), 6))
    scale = SHORT / HEIGHT
    top, left = 30 + (20 + 0 - 1 + 0.5) * scale, (10 + 5 - 1 + 0.5) * scale  # joint 5 of the first tile
    assert tuple(sheet[round(top), round(left)]) == COLOURS[0]
    assert not (sheet == UNSEEN).all(axis=2)[30 : 30 + SHORT, : round(SHORT / HEIGHT * WIDTH)].any()
    fourth = sheet[30 : 30 + SHORT, 3 * round(SHORT / HEIGHT * WIDTH) :]
    assert (fourth == UNSEEN).all(axis=2).any(), "a cross where the head was"


def test_a_sheet_shows_the_limbs_of_the_skeleton_between_visible_joints(tmp_path: Path) -> None:
    fields = label(train=np.int32(1))
    fields["x"] = 10 * fields["x"][:, ::-1] % 79  # far apart
    write_label(write_root(tmp_path), "0001", fields)
    source, data = penn_action_source(tmp_path), DataConfig(resize=30, crop=24)
    bones = Skeleton(PENN_ACTION.joint_names, PENN_ACTION.mirrored)
    sheets = [
        np.asarray(contact_sheet(replace(source, skeleton=skeleton), "0001", data, 6)) == COLOURS[0]
        for skeleton in (PENN_ACTION, bones)
    ]
    assert sheets[0].all(axis=2).sum() > 1.1 * sheets[1].all(axis=2).sum()


def test_a_clip_there_is_not_is_refused_with_one_there_is(tmp_path: Path) -> None:
    source = penn_action_source(write_root(tmp_path, without_images=("0002",)))
    with pytest.raises(DataError, match=r"clip=0009: .* no such clip; there is, for example, 000"):
        contact_sheet(source, "0009", DataConfig(), 6)
    with pytest.raises(DataError, match=r"clip 0002: .*000001\.jpg is not there"):
        contact_sheet(source, "0002", DataConfig(), 6)
