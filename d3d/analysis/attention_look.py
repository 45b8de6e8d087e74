"""A test that looks at attention: whether it follows the motion in each clip, and what hiding it does to the answers.

Two questions are asked of every test clip, each of the tokens of 3D deformable attention and of the joints of joint
stride attention:

- *Does attention follow motion?* Spearman's correlation of the attention on a frame with its motion energy, or on a
  joint with its speed. Beside it stands the correlation with the attention in clips of other recordings, which is as
  high where the model looks at the same frames or joints in every clip.
- *Does the answer need what is attended?* The clip is classified without the most attended tokens or joints, and
  without as many random ones (the deletion test of Petsiuk et al., 2018). A token is hidden by painting its place in
  its frame in the clip's mean colour, a joint by making it invisible in all frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from d3d.analysis.attention import BlockAttention, attention_of_clip
from d3d.analysis.attention_and_motion import (
    frame_attention,
    joint_attention,
    joint_speed,
    motion_energy,
    rank_correlations,
)
from d3d.attention_maps import NUMBERS, Maps
from d3d.config import Config
from d3d.data.batch import Batch
from d3d.data.clip import Clip, Dataset
from d3d.data.samples.clip_samples import DEVIATION, MEAN, ClipSamples
from d3d.data.samples.loading import load_batches
from d3d.models.d3d.transformer import D3DTransformer
from d3d.prediction import Prediction, top1

DRAWS = 4  # of random tokens and joints to hide, for each clip
EXCHANGES = 20  # other clips whose attention is compared with a clip's motion
MOST_CLIPS = 12  # whose maps are kept, if none are named
LARGEST = 64  # pixels of the side of a kept frame, at most


@dataclass(frozen=True)
class Look:
    """What a test that looks at attention found."""

    predictions: tuple[Prediction, ...]  # with nothing hidden
    numbers: dict[str, dict[str, float]]  # clip → each of NUMBERS
    maps: Maps

    @property
    def top1(self) -> float:
        """The fraction of clips that are predicted correctly, with nothing hidden."""
        return top1(self.predictions)


@dataclass(frozen=True)
class _Seen:
    """One clip."""

    clip: Clip
    batch: Batch
    blocks: list[BlockAttention]
    prediction: Prediction


def look(model: D3DTransformer, dataset: Dataset, config: Config, device: torch.device, workers: int = 0) -> Look:
    """Looks at a trained model in all test clips. Random draws depend on `config.seed` and the clip's number.

    Args:
        model: the 3D deformable transformer, on `device`.
        dataset: whose test clips are read.
        config: of the test.
        device: where the model is.
        workers: processes that read clips; with 0 this process reads them.

    Raises DataError where a clip cannot be read.
    """
    model.eval()
    evaluation = config.evaluation
    frames = evaluation.frames or config.training.frames
    samples = ClipSamples(dataset.test, dataset, config.data, frames, seed=None, evaluation=evaluation)
    predictions: list[Prediction] = []
    attended: dict[str, list[Tensor]] = {"frames": [], "joints": []}
    moving: dict[str, list[Tensor]] = {"frames": [], "joints": []}
    right: list[dict[str, float]] = []
    kept: dict[object, _Seen] = {}
    for number, (loaded, _) in enumerate(load_batches(samples, 1, workers)):
        clip, batch = dataset.test[number], loaded.to(device)
        blocks = attention_of_clip(model, batch)
        for name, attention, motion in (
            ("frames", frame_attention(blocks), motion_energy(batch.frames[0])),
            ("joints", joint_attention(blocks), joint_speed(batch.joints[0], batch.visible[0])),
        ):
            if attention is not None:
                attended[name].append(attention.cpu())
                moving[name].append(motion.cpu())
        hidden = _with_hidden(batch, blocks, evaluation.hidden, np.random.default_rng([config.seed, number]))
        logits = answers_of(model, _joined([batch, *(each for several in hidden.values() for each in several)]))
        answers = logits.argmax(dim=1).tolist()
        predictions.append(_prediction(clip, logits[0], dataset))
        right.append(_right(hidden, [answer == clip.label for answer in answers[1:]]))
        seen = _Seen(clip, batch.to(torch.device("cpu")), blocks, predictions[-1])
        if clip.id in evaluation.attention_clips:
            kept[clip.id] = seen
        elif not evaluation.attention_clips:
            kept.setdefault((clip.label, answers[0] != clip.label), seen)
    following = {name: _following(name, attended[name], moving[name], dataset.test, config.seed) for name in attended}
    unknown = dict.fromkeys(NUMBERS, float("nan"))
    numbers = {
        clip.id: {
            **unknown,
            **right[index],
            **{name: float(values[index]) for each in following.values() for name, values in each.items()},
        }
        for index, clip in enumerate(dataset.test)
    }
    most = len(evaluation.attention_clips) or MOST_CLIPS
    return Look(tuple(predictions), numbers, _maps(sorted(kept.values(), key=_order)[:most], dataset))


def answers_of(model: D3DTransformer, batch: Batch) -> Tensor:
    """The logits of B clips, B×K, in float32 on every device, as the attention is."""
    with torch.no_grad():
        logits: Tensor = model(batch)
    return logits


def _order(seen: _Seen) -> tuple[int, bool, str]:
    """By the action, with a clip that is right before a wrong one."""
    return seen.clip.label, seen.prediction.predicted != seen.clip.label, seen.clip.id


def _prediction(clip: Clip, logits: Tensor, dataset: Dataset) -> Prediction:
    probabilities = logits.softmax(dim=0).tolist()
    parts = tuple(part.predict(clip.label, probabilities) for part in dataset.parts)
    return Prediction(clip.id, clip.label, int(logits.argmax()), clip.group, tuple(probabilities), parts)


def _with_hidden(
    batch: Batch, blocks: Sequence[BlockAttention], share: float, generator: np.random.Generator
) -> dict[str, list[Batch]]:
    """The clip with its most attended and with random tokens and joints hidden, by the names of NUMBERS.

    What the model lacks is left out, and joints where fewer than two are seen and attended.
    """
    found: dict[str, list[Batch]] = {}
    volumes = [block.deformable.volume for block in blocks if block.deformable]
    if volumes:
        volume = torch.stack(volumes).mean(dim=0)
        for name, places in _places(volume.flatten().cpu().numpy(), share, generator, "tokens").items():
            found[name] = [_without_tokens(batch, volume, each) for each in places]
    joints = joint_attention(blocks)
    if joints is not None:
        seen = torch.where(batch.visible[0].any(dim=0), joints, torch.nan)
        for name, places in _places(seen.cpu().numpy(), share, generator, "joints").items():
            found[name] = [_without_joints(batch, each) for each in places]
    return found


def _places(
    attention: NDArray[np.float32], share: float, generator: np.random.Generator, name: str
) -> dict[str, list[NDArray[np.int64]]]:
    """The k places that are attended most, and DRAWS times k random ones; NaN is no place."""
    known = np.flatnonzero(np.isfinite(attention))
    count = max(1, round(share * len(known)))
    if len(known) <= count:
        return {}
    most = known[np.argsort(-attention[known], kind="stable")[:count]]
    random = [generator.choice(known, count, replace=False) for _ in range(DRAWS)]
    return {f"{name}_most_hidden": [most], f"{name}_random_hidden": random}


def _without_tokens(batch: Batch, volume: Tensor, places: NDArray[np.int64]) -> Batch:
    """The clip with the tokens at these places of the flattened T×h×w volume painted in the mean colour."""
    hidden = torch.zeros_like(volume).flatten()
    hidden[torch.as_tensor(places, device=hidden.device)] = 1
    frames = batch.frames
    mask = interpolate(hidden.reshape(1, 1, *volume.shape), frames.shape[2:], mode="nearest") > 0
    mean = frames.mean(dim=(2, 3, 4), keepdim=True)
    return Batch(batch.size, frames=torch.where(mask, mean, frames), joints=batch.joints, visible=batch.visible)


def _without_joints(batch: Batch, places: NDArray[np.int64]) -> Batch:
    """The clip with these joints invisible in all frames."""
    hidden = torch.zeros(batch.visible.shape[2], dtype=torch.bool, device=batch.visible.device)
    hidden[torch.as_tensor(places, device=hidden.device)] = True
    joints = torch.where(hidden[:, None], 0.0, batch.joints)  # as everywhere, an invisible joint is at zero
    return Batch(batch.size, frames=batch.frames, joints=joints, visible=batch.visible & ~hidden)


def _joined(batches: Sequence[Batch]) -> Batch:
    """Clips as one batch."""
    names = ("frames", "joints", "visible")
    return Batch(batches[0].size, **{name: torch.cat([getattr(each, name) for each in batches]) for name in names})


def _right(hidden: dict[str, list[Batch]], answers: Sequence[bool]) -> dict[str, float]:
    """The share of right answers for each of `hidden`; the answers come in the same order."""
    left = iter(answers)
    return {name: float(np.mean([next(left) for _ in several])) for name, several in hidden.items()}


def _following(
    name: str, attended: Sequence[Tensor], moving: Sequence[Tensor], clips: Sequence[Clip], seed: int
) -> dict[str, NDArray[np.float64]]:
    """The correlation of attention and motion in each clip, and with the attention in clips of other recordings."""
    if not attended:
        return {}
    attention, motion = (torch.stack(list(each)).double().numpy() for each in (attended, moving))
    groups = np.array([clip.group or clip.id for clip in clips])
    generator = np.random.default_rng(seed)
    found = np.full((EXCHANGES, len(clips)), np.nan)
    for row in found:
        partners = generator.permutation(len(clips))
        row[:] = np.where(groups[partners] == groups, np.nan, rank_correlations(attention[partners], motion))
    known = np.isfinite(found)
    exchanged = np.where(known, found, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return {name: rank_correlations(attention, motion), f"{name}_exchanged": exchanged}


def _maps(chosen: Sequence[_Seen], dataset: Dataset) -> Maps:
    """What is kept of these clips; at least one."""
    none = torch.zeros(0)

    def stacked(each: list[Tensor]) -> NDArray[np.float32]:
        return (torch.stack(each) if each else none).float().cpu().numpy()

    deformable = [[block.deformable for block in seen.blocks if block.deformable] for seen in chosen]
    joints = [[block.joints for block in seen.blocks if block.joints is not None] for seen in chosen]
    size = torch.tensor([float(side) for side in reversed(chosen[0].batch.size)])
    return Maps(
        clips=np.array([seen.clip.id for seen in chosen]),
        actions=np.array([dataset.classes[seen.clip.label] for seen in chosen]),
        predicted=np.array([dataset.classes[seen.prediction.predicted] for seen in chosen]),
        frames=np.stack([_small(seen.batch.frames[0]) for seen in chosen]),
        volume=stacked([torch.stack([block.volume for block in own]).mean(dim=0) for own in deformable if own]),
        points=stacked([own[-1].points for own in deformable if own]),
        weights=stacked([own[-1].weights for own in deformable if own]),
        joints=stacked([torch.stack(own).mean(dim=0) for own in joints if own]),
        positions=stacked(
            [torch.where(s.batch.visible[0, ..., None], s.batch.joints[0] / size, torch.nan) for s in chosen]
        ),
        names=np.array(dataset.joint_names),
        limbs=np.array(_limbs(dataset), np.int64).reshape(-1, 2),
    )


def _small(frames: Tensor) -> NDArray[np.uint8]:
    """Normalised pixels 3×T×H×W as T×s×s×3 bytes, with s at most LARGEST."""
    side = min(LARGEST, frames.shape[-1])
    pixels = interpolate(frames.transpose(0, 1), (side, side), mode="area") * DEVIATION + MEAN
    return np.asarray(rearrange((pixels * 255).round().clamp(0, 255), "t c h w -> t h w c").numpy().astype(np.uint8))


def _limbs(dataset: Dataset) -> list[tuple[int, int]]:
    """The limbs of all persons, as pairs of joints."""
    size = len(dataset.skeleton.joint_names)
    return [
        (person * size + a, person * size + b) for person in range(dataset.persons) for a, b in dataset.skeleton.limbs
    ]
