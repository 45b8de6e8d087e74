from dataclasses import replace

import numpy as np
import pytest

from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.data.look.contact_sheet import COLOURS
from d3d.data.look.worst_clips import BACKGROUND, FRAMES, draw_worst
from d3d.models.config import SystemConfig
from d3d.models.d3d.config import D3DConfig
from d3d.models.gcn.config import GCNConfig
from d3d.models.r2plus1d.config import R2Plus1DConfig
from d3d.prediction import Prediction
from d3d.worst_clips import CAPTION, MOST, SIDE


def predictions(dataset: Dataset, wrong: int) -> list[Prediction]:
    """All test clips, of which the first are wrong, each with less probability of its action than the one before."""
    return [
        Prediction(clip.id, clip.label, (clip.label + (place < wrong)) % 15, probabilities=(1 / (place + 1),) * 15)
        for place, clip in enumerate(dataset.test)
    ]


def test_the_worst_clips_are_drawn_and_no_more_than_are_kept(tiny_dataset: Dataset, tiny_config: Config) -> None:
    clips = (*tiny_dataset.train, *tiny_dataset.test)
    dataset = replace(tiny_dataset, test=clips)
    drawn = draw_worst(predictions(dataset, MOST + 2), dataset, tiny_config)
    assert list(drawn) == [clip.id for clip in clips[MOST + 1 : 1 : -1]]
    assert {picture.size for picture in drawn.values()} == {(FRAMES * SIDE, SIDE + CAPTION)}
    assert draw_worst(predictions(dataset, 0), dataset, tiny_config) == {}


@pytest.mark.parametrize("model", [D3DConfig(), GCNConfig(), R2Plus1DConfig()])
def test_a_picture_shows_what_the_system_reads(model: SystemConfig, tiny_dataset: Dataset, tiny_config: Config) -> None:
    [picture] = draw_worst(predictions(tiny_dataset, 1), tiny_dataset, replace(tiny_config, model=model)).values()
    pixels = np.asarray(picture)[:SIDE]
    assert (pixels == COLOURS[0]).all(axis=2).any() == ("joints" in model.reads)
    assert ((pixels == BACKGROUND).all(axis=2).mean() > 0.5) == ("frames" not in model.reads)
