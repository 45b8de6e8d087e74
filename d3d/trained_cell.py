"""A trained cell as a library: what it recognises in a clip of your own, and where it looks; see docs/library.md.

It needs what `d3d[bench]` installs, because that checks the types of a stored configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from d3d.analysis.attention import BlockAttention, attention_of_clip
from d3d.bench.declare.configuration import read_config, typed
from d3d.bench.record.location import checkpoints
from d3d.config import Config, EvaluationConfig
from d3d.data.batch import Batch
from d3d.data.clip import Dataset
from d3d.data.frames.rendering import render_frames
from d3d.data.samples.clip_samples import ClipSamples
from d3d.data.skeleton import Skeleton
from d3d.errors import CheckpointError, ConfigError, DataError
from d3d.models.d3d.transformer import D3DTransformer
from d3d.models.registry import SYSTEMS, build
from d3d.models.system import System
from d3d.own_clip import Frames, OwnClip, own_clip
from d3d.training.checkpoint import load_trained, read_description
from d3d.training.forward import predict

if TYPE_CHECKING:
    from d3d.report.record import Cell

_SKELETON = TypeAdapter(Skeleton)
_NAMES, _COUNT = TypeAdapter(tuple[str, ...]), TypeAdapter(int)


@dataclass(frozen=True)
class Answer:
    """What a cell recognises in a clip."""

    action: str  # the most probable class
    probabilities: Mapping[str, float]  # of each class, the most probable first


@dataclass(frozen=True, eq=False)
class TrainedCell:
    """A finished training: its model, in evaluation mode, and everything that a clip has to go through before it."""

    id: str  # of the training
    config: Config
    classes: tuple[str, ...]
    skeleton: Skeleton  # of each person
    persons: int  # the most that the model reads; of more, those who move most are taken
    model: System
    device: torch.device

    @property
    def needs_joints(self) -> bool:
        """Whether the model reads joints, or drawings of them."""
        return "joints" in self.config.model.reads or self.config.data.frames == "rendered"

    def clip(
        self,
        frames: Frames | None,
        keypoint: NDArray[np.floating] | None = None,
        score: NDArray[Any] | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> OwnClip:
        """A clip for this model: its frames, and the joints of the persons in it.

        Args:
            frames: L×H×W×3 RGB, or the path of a video or of a folder of images; None where the model needs no pixels,
                because it reads joints alone or drawings of them.
            keypoint: joints M×L×J×2 of M persons, (x, y) in pixels, in the order of `skeleton.joint_names`, as PYSKL
                has them; None: nobody is known, which is right only for a model that reads frames alone.
            score: M×L×J, above 0 or true where a joint is visible; None: all are that are not at (0, 0).
            size: (H, W) of the frames in pixels, needed where `frames` is None.

        Raises DataError where its parts do not fit each other or the model.
        """
        drawn, joints = self.config.data.frames == "rendered", len(self.skeleton.joint_names)
        if keypoint is None and self.needs_joints:
            raise DataError(f"keypoint is missing: this model reads {joints} joints of each person, M×L×{joints}×2")
        given = own_clip(frames, keypoint, score, size, joints, self.persons)
        if drawn:
            given = replace(given, read=partial(render_frames, skeleton=self.skeleton, persons=self.persons))
        return given

    def predict(self, clip: OwnClip, *, views: int = 1) -> Answer:
        """What is seen in a clip, sampled, viewed and cropped as in a test.

        Args:
            clip: made by `self.clip`.
            views: how often it is seen, in frames at other places, as with `evaluation.views` of a launch.

        Raises DataError where frames cannot be read, ConfigError for an invalid number of views.
        """
        evaluation = EvaluationConfig(views=views)
        with torch.inference_mode():
            batches = (self._batch(clip, evaluation, view) for view in range(views))
            seen = torch.cat([predict(self.model, batch, self.device).softmax(dim=1) for batch in batches])
        named = sorted(zip(self.classes, seen.mean(dim=0).tolist(), strict=True), key=lambda each: -each[1])
        return Answer(named[0][0], dict(named))

    def attention(self, clip: OwnClip) -> list[BlockAttention]:
        """Where the 3D deformable transformer looks in one view of a clip, block by block.

        Raises ConfigError for another system, DataError where frames cannot be read.
        """
        if not isinstance(self.model, D3DTransformer):
            raise ConfigError(f"model.system={self.config.model.system} has no attention that can be looked at")
        return attention_of_clip(self.model, self._batch(clip, EvaluationConfig(), 0))

    def _batch(self, clip: OwnClip, evaluation: EvaluationConfig, view: int) -> Batch:
        """The clip as the model takes it."""
        dataset = self._dataset(clip)
        samples = ClipSamples(
            *(dataset.test, dataset, self.config.data, self.config.training.frames),
            seed=None,
            evaluation=evaluation,
            view=view,
            reads=self.config.model.reads,
        )
        return samples.collate([samples[0]]).batch.to(self.device)

    def _dataset(self, clip: OwnClip) -> Dataset:
        """The clip as a dataset with nothing else."""
        return Dataset("your clip", self.classes, self.skeleton, (), (clip.clip,), "", clip.read, self.persons)


def load_cell(
    storage: Path | str,
    id: str,
    *,
    device: torch.device | str = "cpu",
    system: str | None = None,
    tracking_uri: str | None = None,
) -> TrainedCell:
    """The model that a cell trained, or that it tested, ready to be used.

    Args:
        storage: the folder of the launch; a training needs its folder cells/ID alone.
        id: of the cell, as CSVs, `compare` and the record have it. A test has no weights of its own: the record is
            asked which training it tested.
        device: where the model runs.
        system: the class of a system of your own, `package.module:Class`. It is imported only if it is named here,
            because importing a module runs it, and a checkpoint may come from somebody else.
        tracking_uri: where the record is; None: <storage>/mlflow.db.

    Raises CheckpointError where there are no weights of a finished training, or they are damaged, of another version or
    of a system that is not named; RecordError where the record is needed and cannot be read.
    """
    folder = checkpoints(Path(storage))
    if not _has_weights(folder, id):
        id = _trained(Path(storage), id, tracking_uri)
    described = read_description(folder / id)
    try:
        named = described["config"]["model"]["system"]
        if named not in SYSTEMS and named != system:
            fault = f"{folder / id}: trained model.system={named}, code of a user's own"
            raise CheckpointError(f"{fault}; to import and run it say system={named!r}")
        config = read_config(described["config"])
        skeleton = typed(_SKELETON, described["skeleton"])
        classes = _NAMES.validate_python(described["classes"])
        persons = _COUNT.validate_python(described["persons"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        reason = error if isinstance(error, ConfigError) else "its description is incomplete"
        raise CheckpointError(f"{folder / id}: cannot be used ({reason}); train this cell again") from error
    model = build(config.model, skeleton).to(device)
    load_trained(folder / id, config, model)
    return TrainedCell(id, config, classes, skeleton, persons, model.eval(), torch.device(device))


def _trained(storage: Path, id: str, tracking_uri: str | None) -> str:
    """The training whose weights a cell tested. Raises CheckpointError where the record has no such cell."""
    from d3d.report.record import Record  # MLflow takes seconds, and a training is used without it

    cell: Cell | None = Record(storage, tracking_uri).cell(id)
    if cell is None or not _has_weights(checkpoints(storage), cell.weights):
        fault = f"{storage}: no weights of cell {id}"
        raise CheckpointError(f"{fault}; name a training, or a test of one, that was run with this storage folder")
    return cell.weights


def _has_weights(folder: Path, id: str) -> bool:
    """Whether there is a folder of this cell; a text that is no id, and may lead elsewhere, is the name of none."""
    return id.isalnum() and (folder / id).is_dir()
