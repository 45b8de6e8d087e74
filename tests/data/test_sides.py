from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.data.sides import exchange_sides
from d3d.errors import ConfigError


def test_a_left_hand_becomes_a_right_hand_and_nothing_else_changes(synthetic: Dataset) -> None:
    exchanged = exchange_sides(synthetic)
    names = synthetic.joint_names
    left, right, head = (names.index(name) for name in ("left_wrist", "right_wrist", "head"))
    for before, after in zip((*synthetic.train, *synthetic.test), (*exchanged.train, *exchanged.test), strict=True):
        assert np.array_equal(before.joints[:, left], after.joints[:, right])
        assert np.array_equal(before.joints[:, head], after.joints[:, head])
        assert np.array_equal(before.visible[:, right], after.visible[:, left])
    assert exchanged.digest != synthetic.digest
    assert exchanged.joint_names == names


def test_exchanging_twice_gives_the_joints_back(synthetic: Dataset) -> None:
    back = exchange_sides(exchange_sides(synthetic))
    for before, after in zip(synthetic.train, back.train, strict=True):
        assert np.array_equal(before.joints, after.joints)
        assert np.array_equal(before.visible, after.visible)


def test_without_known_counterparts_it_is_refused(synthetic: Dataset) -> None:
    unknown = replace(synthetic, skeleton=replace(synthetic.skeleton, mirrored=None))
    with pytest.raises(ConfigError, match=r"data.sides=exchanged: .* of the 13 joints .*leave data.sides out"):
        exchange_sides(unknown)


def test_the_key_opens_the_dataset_with_sides_exchanged(tmp_path: Path) -> None:
    config = DataConfig(clips=30, frames="rendered")
    named = open_dataset(config, tmp_path)
    opened = open_dataset(replace(config, sides="exchanged"), tmp_path)
    assert opened.digest == exchange_sides(named).digest
    assert np.array_equal(opened.train[0].joints, exchange_sides(named).train[0].joints)
