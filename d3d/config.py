"""Every hyper-parameter's name, type, unit and default.

Plain frozen dataclasses, so that the method runs in a notebook without any configuration framework. A value that can
never be valid raises a `ConfigError` here; what depends on the data is checked where the data is known.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from d3d.errors import require
from d3d.models.config import SystemConfig
from d3d.models.d3d.config import D3DConfig

ADDED: dict[str, Any] = {
    "model.system": "d3d",
    "model.stream": "joint",
    "model.pose_features": True,
    "data.groups": None,
    "data.damaged": "error",
    "data.test_annotations": None,
    "data.label_map": None,
    "data.fold": None,
    "data.sides": "named",
    "augmentation.sampling": "segments",
    "evaluation.views": 1,
    "evaluation.attention": False,
    "evaluation.attention_clips": (),
    "evaluation.hidden": 0.25,
    "model.weights_digest": "",
    "model.spatial_digest": "",
    "model.temporal_digest": "",
    "model.sine_positions": "index",
}
"""Keys that were added after results had been recorded → the value that means "as before".

A key with that value does not enter the id of a cell or of a checkpoint, so that a new key orphans no result.
"""

MOST: dict[str, float] = {
    "data.persons": 100,
    "data.classes": 100_000,
    "data.clips": 1_000_000,
    "data.resize": 10_000,
    "data.crop": 10_000,
    "training.frames": 10_000,
    "training.epochs": 100_000,
    "training.warmup_epochs": 100_000,
    "training.batch_size": 100_000,
    "training.learning_rate": 1_000,
    "training.weight_decay": 1_000,
    "training.mixup": 1_000,
    "augmentation.rotation": 360,
    "augmentation.joint_noise": 100,
    "evaluation.frames": 10_000,
    "evaluation.views": 100,
    "evaluation.joint_noise": 100,
    "measurement.frames": 100_000,
    "measurement.joints": 100_000,
    "measurement.rgb_tokens": 1_000_000,
    "measurement.window": 100_000,
    "measurement.repetitions": 10_000,
    "seed": 10**12,  # as a generator is seeded with a million times the seed, which has to fit into 64 bits
}
"""The largest values of keys: larger ones are slips of the keyboard, and are refused before anything is planned."""

MOST_FOLDS, MOST_FOLD = 100, 10_000  # of a launch; the largest number that a fold may have


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which clips, and how a frame is cut and resized before it enters the model."""

    name: str = "synthetic"  # a line of the table in d3d/data/readers/registry.py
    root: str | None = None  # folder of a dataset on disk; a synthetic one is generated under the storage folder
    annotations: str | None = None  # of finegym and pyskl: the pickle of skeletons; data.root holds the videos
    test_annotations: str | None = None  # of finegym and pyskl: those of the test clips; None: annotations has both
    label_map: str | None = None  # of finegym and pyskl: names of classes, one a line; None: FILE.label_map.txt
    skeleton: str | None = None  # of pyskl: a known one or a YAML file; None: FILE.skeleton.yaml beside FILE.pkl
    protocol: Literal["xsub", "xview", "xset"] = "xsub"  # of ntu60 (xsub, xview) and ntu120 (xsub, xset)
    splits: tuple[str, str] = ("train", "val")  # of finegym and pyskl: the annotations' training and test split
    fold: int | tuple[int, ...] | None = None  # stands for each * in splits, or else chooses the validation split
    classes: int | None = None  # of pyskl; None: as many as the training clips' labels name
    persons: int = 2  # the most persons of a clip, those who move most
    frames: Literal["files", "rendered"] = (
        "files"  # where pixels come from: images or video, or a drawing of the joints
    )
    sides: Literal["named", "exchanged"] = "named"
    """`exchanged`: left and right joints trade places, where they were named as the camera sees them."""
    missing: Literal["error", "skip"] = "error"  # what to do with clips whose images or video are absent
    damaged: Literal["error", "skip"] = "error"  # what to do with clips whose annotation or frames cannot be used
    split: Literal["test", "validation"] = "test"  # what is tested: the test clips, or a fifth of the training clips
    groups: str | None = (
        None  # CSV of clip,group: which clips are of one recording; None: what the dataset itself tells
    )
    clips: int = 600  # how many clips a synthetic dataset has
    view: Literal["frame", "whole", "persons"] = "frame"  # the frame, the frame made square, a square around the joints
    resize: int = 256  # short side of the view, in pixels
    crop: int = 224  # side of the square that enters the model, in pixels: random in training, centred in test

    def __post_init__(self) -> None:
        _check_most("data.", self)
        require(self.persons >= 1, "data.persons", self.persons, "must be at least 1")
        require(self.classes is None or self.classes >= 2, "data.classes", self.classes, "must be at least 2")
        require(self.splits[0] != self.splits[1], "data.splits", list(self.splits), "must be two different ones")
        self._check_folds()
        require(self.clips >= 30, "data.clips", self.clips, "must be at least 30, two for each of the 15 classes")
        require(self.crop >= 16, "data.crop", self.crop, "must be at least 16 pixels")
        require(self.resize >= self.crop, "data.resize", self.resize, f"must be at least data.crop = {self.crop}")

    @property
    def folds(self) -> tuple[int, ...]:
        """The numbers of its folds, in ascending order; none where `fold` is not set."""
        return () if self.fold is None else (self.fold,) if isinstance(self.fold, int) else tuple(sorted(self.fold))

    @property
    def numbered(self) -> bool:
        """Whether the names of its splits have a place for the number of a fold."""
        return self.name in OF_DATASET["splits"] and any("*" in split for split in self.splits)

    @property
    def each_fold(self) -> "tuple[DataConfig, ...]":
        """The data of each of its folds, in the order of `folds`; itself where it has none.

        One of the dataset's own folds is the data that names the splits of this fold: `splits=("train2", "test2")` is
        the same as `splits=("train*", "test*"), fold=2`.
        """
        if not self.numbered:
            return tuple(replace(self, fold=number) for number in self.folds) or (self,)
        train, test = self.splits
        named = [(train.replace("*", str(number)), test.replace("*", str(number))) for number in self.folds]
        return tuple(replace(self, splits=splits, fold=None) for splits in named)

    def _check_folds(self) -> None:
        splits = ("data.splits", list(self.splits))
        require(self.fold is not None or not self.numbered, *splits, "* is a fold's number; name it, data.fold=[1,2,3]")
        if self.fold is None:
            return
        fold = ("data.fold", self.fold if isinstance(self.fold, int) else list(self.fold))
        distinct = 0 < len(set(self.folds)) == len(self.folds)
        require(distinct, *fold, "must be a number or a list of different numbers, such as [1,2,3]")
        require(len(self.folds) <= MOST_FOLDS, "data.fold", "[…]", f"must be at most {MOST_FOLDS} folds")
        require(0 <= self.folds[0] <= self.folds[-1] <= MOST_FOLD, *fold, f"must be from 0 to {MOST_FOLD}")
        way_out = "data.split=validation makes them of the training clips"
        if self.name in OF_DATASET["splits"]:
            way_out += ", data.splits=[train*,test*] takes those of the annotations"
        require(self.numbered or self.split == "validation", *fold, f"there are no folds; {way_out}")


PLACES = ("root", "annotations", "test_annotations", "label_map", "groups")
"""The keys of data that are paths: they say where the data is, not what it is."""

OF_DATASET = {
    "clips": {"synthetic", "synthetic_pairs"},
    "protocol": {"ntu60", "ntu120"},
    "annotations": {"finegym", "pyskl"},
    "test_annotations": {"finegym", "pyskl"},
    "label_map": {"finegym", "pyskl"},
    "skeleton": {"pyskl"},
    "splits": {"finegym", "pyskl"},
    "classes": {"pyskl"},
    "persons": {"ntu60", "ntu120", "finegym", "pyskl"},
}  # the keys of data that only some datasets use; their effect on the clips is in the dataset's digest


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the model is trained (section 4, "Settings", where the paper says it)."""

    frames: int = 12  # T, frames sampled from a clip
    epochs: int = 90
    warmup_epochs: float = 5.0  # linear warm-up before the cosine schedule
    batch_size: int = 16  # clips
    learning_rate: float = 5e-4  # peak, of AdamW
    weight_decay: float = 0.05  # of AdamW, on matrices and kernels only
    label_smoothing: float = 0.1
    gradient_clip: float = 1.0  # largest norm of all gradients together
    mixup: float = 0.0  # α of the Beta distribution of the weights by which two clips are mixed; 0: no mixup
    average: float = 0.0  # decay per step of a moving average of the weights, which is then tested; 0: no average

    def __post_init__(self) -> None:
        _check_most("training.", self)
        for key in ("frames", "epochs", "batch_size"):
            require(getattr(self, key) >= 1, f"training.{key}", getattr(self, key), "must be at least 1")
        for key in ("learning_rate", "gradient_clip"):
            require(getattr(self, key) > 0, f"training.{key}", getattr(self, key), "must be above 0")
        for key in ("warmup_epochs", "weight_decay", "mixup"):
            require(getattr(self, key) >= 0, f"training.{key}", getattr(self, key), "must not be negative")
        for key in ("label_smoothing", "average"):
            require(0 <= getattr(self, key) < 1, f"training.{key}", getattr(self, key), "must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How a training clip is changed at random in every epoch, in addition to the random crop and random frames."""

    flip: bool = True  # mirror half of the clips, and swap left and right joints
    zoom: float = 0.0  # largest fraction by which a clip is enlarged or shrunk
    rotation: float = 0.0  # largest angle by which a clip is turned, in degrees
    span: float = 1.0  # smallest fraction of a clip that its frames are taken from
    sampling: Literal["segments", "even"] = "segments"
    """Of T equal segments, `segments` takes a random frame each, `even` frames that are equally far apart.

    Joints move as far from one frame to the next in training as in a test only with `even`.
    """
    colour: float = 0.0  # largest fraction by which brightness and contrast change
    joint_noise: float = 0.0  # standard deviation added to visible joints, as a fraction of the crop's side
    joint_dropout: float = 0.0  # probability that a visible joint is hidden

    def __post_init__(self) -> None:
        _check_most("augmentation.", self)
        for key in ("zoom", "colour", "joint_dropout"):
            require(0 <= getattr(self, key) < 1, f"augmentation.{key}", getattr(self, key), "must be in [0, 1)")
        for key in ("rotation", "joint_noise"):
            require(getattr(self, key) >= 0, f"augmentation.{key}", getattr(self, key), "must not be negative")
        require(0 < self.span <= 1, "augmentation.span", self.span, "must be in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a trained model is tested; defaults are as in training. The training does not depend on it (appendix C)."""

    frames: int | None = None  # frames sampled from a test clip; None: as many as in training
    views: int = 1
    """How often a test clip is seen, each time in frames at other places of their segments.

    The probabilities of the views are averaged.
    """
    joint_noise: float = 0.0  # standard deviation added to visible joints, as a fraction of the crop's side
    joint_dropout: float = 0.0  # probability that a visible joint is hidden
    attention: bool = False  # also look at the attention in each clip, and hide what is attended most
    attention_clips: tuple[str, ...] = ()  # test clips whose maps are kept; empty: a right and a wrong one of a class
    hidden: float = 0.25  # the fraction of a clip's tokens, and of its joints, that is then hidden

    def __post_init__(self) -> None:
        _check_most("evaluation.", self)
        require(0 < self.hidden < 1, "evaluation.hidden", self.hidden, "must be between 0 and 1")
        require(self.frames is None or self.frames >= 1, "evaluation.frames", self.frames, "must be at least 1")
        require(self.views >= 1, "evaluation.views", self.views, "must be at least 1")
        require(self.joint_noise >= 0, "evaluation.joint_noise", self.joint_noise, "must not be negative")
        require(0 <= self.joint_dropout <= 1, "evaluation.joint_dropout", self.joint_dropout, "must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class MeasurementConfig:
    """One attention module whose cost is measured instead of training a model (Tables A1 and A2)."""

    module: Literal["joint", "temporal"] | None = None  # None: no measurement, the model is trained
    attention: Literal["stride", "full"] = "stride"
    frames: int = 12  # T
    joints: int = 13  # R, of all persons
    rgb_tokens: int = 784  # h·w of a frame
    window: int = 6  # of stride attention; its stride is half of it
    repetitions: int = 5  # of the timing, of which the median is taken

    def __post_init__(self) -> None:
        _check_most("measurement.", self)
        for key in ("frames", "joints", "rgb_tokens", "window", "repetitions"):
            require(getattr(self, key) >= 1, f"measurement.{key}", getattr(self, key), "must be at least 1")


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """A method that is fitted to the joints of `training.frames` centred frames of each clip, instead of a model."""

    method: Literal["ridge", "kernel ridge", "nearest neighbour"] | None = None  # None: the model is trained


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides the result of one training and its test."""

    model: SystemConfig = field(default_factory=D3DConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    measurement: MeasurementConfig = field(default_factory=MeasurementConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        _check_most("seed", self)
        require(self.seed >= 0, "seed", self.seed, "must not be negative")


def _check_most(start: str, config: object) -> None:
    """Raises ConfigError where a key that starts so has a larger value than in MOST, or one that is no number."""
    for key, most in MOST.items():
        if key.startswith(start):
            value = getattr(config, key.rpartition(".")[2])
            require(value is None or value <= most, key, value, f"must be at most {most}")


def without_files(tree: dict[str, Any], model: SystemConfig) -> dict[str, Any]:
    """A configuration as nested mappings, group → key → value, without where the files of its system lie."""
    return tree | {"model": {key: value for key, value in tree["model"].items() if key not in model.files}}


def without_added(tree: dict[str, Any]) -> dict[str, Any]:
    """A configuration as nested mappings, group → key → value, without the keys of ADDED that mean "as before"."""
    return {
        group: {
            key: value for key, value in keys.items() if (name := f"{group}.{key}") not in ADDED or value != ADDED[name]
        }
        if isinstance(keys, dict)
        else keys
        for group, keys in tree.items()
    }
