import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from d3d.bench.declare.ablations import flatten, options
from d3d.bench.declare.configuration import read_config
from d3d.bench.kinds.registry import TEST, TRAINING, kind_of
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.identity import short_hash
from d3d.config import (
    ADDED,
    OF_DATASET,
    AugmentationConfig,
    BaselineConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    MeasurementConfig,
    TrainingConfig,
)
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import ConfigError
from d3d.modality import JOINTS, Modality
from d3d.models.config import SystemConfig
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.windows import sliding_windows
from d3d.models.registry import build
from d3d.training.checkpoint import load_trained
from d3d.training.loop import train
from tests.bench.plan.golden import golden, ids
from tests.systems import d3d_model

UNSEEN = {
    *("data.root", "data.missing", "data.damaged", "data.groups"),
    *(f"data.{key}" for key in OF_DATASET),
    "model.weights",
}  # digests cover these: the dataset's, and that of the file of weights
WITH_OTHERS = {"data.fold", "model.system"}  # they cannot change alone, and have tests of their own
TRAINED = "7ra1ned"
JOINT = MeasurementConfig(module="joint", joints=25, window=6)
OTHER: dict[str, Any] = {
    "model.norm": "printed", "model.pose_position": "index", "model.tokens": "none",
    "model.offset_convolution": "dense", "model.joint_stride": 1, "model.temporal_stride": 1,
    "model.persons": 13, "model.dropout": 0.5, "model.drop_path": 0.5, "data.name": "penn_action",
    "data.frames": "rendered", "data.root": "/there", "data.groups": "/g.csv", "data.missing": "skip",
    "data.damaged": "skip", "data.crop": 200, "data.annotations": "/a.pkl", "data.test_annotations": "/b.pkl",
    "data.label_map": "/names.txt", "data.skeleton": "human36m",
    "data.protocol": "xset", "data.splits": ("x", "y"), "data.classes": 7, "training.label_smoothing": 0.5,
    "measurement.module": "joint", "measurement.attention": "full", "baseline.method": "ridge",
    "data.split": "validation", "data.sides": "exchanged", "data.view": "whole", "training.average": 0.5,
    "augmentation.zoom": 0.5,
    "augmentation.span": 0.5, "augmentation.sampling": "even", "augmentation.colour": 0.5,
    "augmentation.joint_dropout": 0.5,
    "evaluation.attention_clips": ("0001",), "model.weights": "a.safetensors", "model.weights_digest": "d",
}  # fmt: skip
OF_ATTENTION = ("evaluation.attention_clips", "evaluation.hidden")


def canonical(config: Config) -> Config:
    return kind_of(config).canonical(config)


def cell_id(config: Config, digest: str, trained: str | None = None) -> str:
    """The id of the cell of a configuration, or of a test of the weights of the training with the id `trained`."""
    if trained is None:
        return short_hash(kind_of(config).identity(config, digest, ()))
    training = Cell(trained, "", config, digest, TRAINING.name)
    return short_hash(TEST.identity(config, digest, (training,)))


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataConfig, Dataset]:
    data = DataConfig(clips=30, resize=18, crop=16)
    return data, open_dataset(data, tmp_path_factory.mktemp("synthetic"))


def changed(key: str) -> Config:
    """The default configuration with another value of one key."""
    tree: dict[str, Any] = asdict(Config())
    group, _, name = key.rpartition(".")
    holder = tree[group] if group else tree
    value = holder[name]
    holder[name] = OTHER.get(key, not value if isinstance(value, bool) else 2 * value if value else 1)
    return read_config(tree)


def windowed(axis: str, length: int, window: int, stride: int) -> Config:
    if axis == "joint":
        return Config(model=D3DConfig(joints=length, joint_window=window, joint_stride=stride))
    model = D3DConfig(temporal_window=window, temporal_stride=stride)
    return Config(model=model, training=TrainingConfig(frames=length))


@pytest.mark.parametrize("axis", ["temporal", "joint"])
@pytest.mark.parametrize("length", range(1, 15))
def test_configurations_are_one_cell_exactly_where_they_compute_the_same(axis: str, length: int) -> None:
    settings = [(window, stride) for window in range(1, 17) for stride in range(1, window + 1)]
    computed = [[part.tolist() for part in sliding_windows(length, *setting)] for setting in settings]
    ids = [cell_id(canonical(windowed(axis, length, *setting)), "d") for setting in settings]
    for i, j in itertools.combinations(range(len(settings)), 2):
        assert (ids[i] == ids[j]) == (computed[i] == computed[j]), (settings[i], settings[j])


@pytest.mark.parametrize("axis", ["temporal", "joint"])
def test_a_canonical_configuration_computes_what_was_asked_for(axis: str) -> None:
    for window, stride in [(4, 3), (8, 5), (8, 8), (10, 10), (16, 2)]:
        model = canonical(windowed(axis, 12, window, stride)).model
        asked, canonised = (
            [part.tolist() for part in sliding_windows(12, *pair)]
            for pair in [(window, stride), (getattr(model, f"{axis}_window"), getattr(model, f"{axis}_stride"))]
        )
        assert asked == canonised


def test_canonical_is_idempotent_and_fills_in_the_strides() -> None:
    config = canonical(Config())
    assert canonical(config) == config
    assert (d3d_model(config).temporal_stride, d3d_model(config).joint_stride) == (3, 3)


def test_settings_of_the_token_search_make_no_other_cell_with_full_attention() -> None:
    full = replace(D3DConfig(), deformable_attention="full")
    searched = replace(full, kernel=3, offset_range=2.0, offset_convolution="dense")
    assert canonical(Config(model=full)) == canonical(Config(model=searched))
    ids = {
        cell_id(canonical(Config(model=replace(full, deformable_attention=kind))), "d")
        for kind in (True, False, "full")
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("switch", "without_effect"),
    [
        ("deformable_attention", {"kernel": 3, "offset_range": 2.0, "offset_convolution": "dense"}),
        ("joint_attention", {"joint_window": 4, "joint_stride": 4}),
        ("temporal_attention", {"temporal_window": 4, "temporal_stride": 4}),
    ],
)
def test_settings_of_an_eliminated_module_make_no_other_cell(switch: str, without_effect: dict[str, Any]) -> None:
    off = replace(D3DConfig(), **{switch: False})  # type: ignore[arg-type]
    assert canonical(Config(model=off)) == canonical(Config(model=replace(off, **without_effect)))
    on = D3DConfig()
    assert canonical(Config(model=on)) != canonical(Config(model=replace(on, **without_effect)))


@pytest.mark.parametrize("key", [key for key in flatten(asdict(Config())) if key not in UNSEEN | WITH_OTHERS])
def test_every_key_that_can_change_a_result_changes_the_id(key: str) -> None:
    assert changed(key) != Config()
    trained = TRAINED if key.startswith("evaluation.") else None
    if (key.startswith("measurement.") and key != "measurement.module") or key in OF_ATTENTION:
        assert cell_id(canonical(changed(key)), "d", trained) == cell_id(canonical(Config()), "d", trained), "no use"
    else:
        assert cell_id(canonical(changed(key)), "d", trained) != cell_id(canonical(Config()), "d", trained)


def test_the_same_keys_of_another_system_are_another_cell() -> None:
    ids = {cell_id(canonical(Config(model=SystemConfig(system=name))), "d") for name in ("d3d", "mine:A", "mine:B")}
    assert len(ids) == 3


@pytest.mark.parametrize(("modality", "others"), [("joints", "frames"), ("frames", "joints")])
def test_what_is_done_to_what_a_system_does_not_read_makes_no_other_cell(modality: Modality, others: str) -> None:
    class Reads(SystemConfig):
        reads = frozenset({modality})

    def id_of(**changes: Any) -> str:
        return cell_id(canonical(Config(model=Reads(system="x"), augmentation=AugmentationConfig(**changes))), "d")

    of = {"frames": {"colour": 0.5}, "joints": {"joint_noise": 0.5}}
    assert id_of(**of[others]) == id_of()
    assert id_of(**of[modality]) != id_of()


def test_a_colour_that_is_drawn_before_the_joints_noise_moves_it() -> None:
    class Pose(SystemConfig):
        reads = JOINTS

    noisy = AugmentationConfig(joint_noise=0.1)
    one, other = (
        canonical(Config(model=Pose(system="x"), augmentation=each)) for each in (noisy, replace(noisy, colour=0.1))
    )
    assert one != other


def test_a_module_is_measured_of_a_system_that_has_one() -> None:
    with pytest.raises(
        ConfigError, match=r"measurement\.module=joint: model\.system=x has no module that can be measured"
    ):
        canonical(Config(model=SystemConfig(system="x"), measurement=JOINT))


def test_a_training_is_not_named_by_how_it_is_tested() -> None:
    other = canonical(Config(evaluation=EvaluationConfig(joint_noise=0.1)))
    assert cell_id(other, "d") == cell_id(canonical(Config()), "d")
    assert cell_id(other, "d", TRAINED) != cell_id(other, "d", "07her"), "other weights, another test"


def test_as_many_test_frames_as_in_training_change_nothing() -> None:
    assert canonical(Config(evaluation=EvaluationConfig(frames=12))) == canonical(Config())


def test_a_tests_windows_are_cut_to_its_own_frames() -> None:
    model = D3DConfig(temporal_window=10, temporal_stride=5)
    assert d3d_model(canonical(Config(model=model))).temporal_stride == 2
    assert d3d_model(canonical(Config(model=model, evaluation=EvaluationConfig(frames=16)))).temporal_stride == 5
    assert d3d_model(canonical(Config(model=model, evaluation=EvaluationConfig(frames=4)))).temporal_window == 4


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"window": 12}, False),
        ({"joints": 50}, False),
        ({"frames": 8}, False),
        ({"attention": "full"}, False),
        ({"repetitions": 9}, False),
        ({"module": "temporal"}, False),
        ({"rgb_tokens": 5}, True),
    ],
)
def test_a_measurement_is_named_by_what_is_measured(change: dict[str, Any], same: bool) -> None:
    one, other = (canonical(Config(measurement=each)) for each in (JOINT, replace(JOINT, **change)))
    assert (cell_id(one, "d") == cell_id(other, "e")) == same


def test_a_window_as_long_as_the_axis_is_full_attention() -> None:
    for window in (25, 30):
        wide, full = replace(JOINT, window=window), replace(JOINT, attention="full")
        assert canonical(Config(measurement=wide)) == canonical(Config(measurement=full))


def test_a_measurement_looks_at_the_module_alone() -> None:
    measured = Config(measurement=JOINT)
    seen = replace(measured, model=D3DConfig(width=8))
    unseen = replace(measured, model=D3DConfig(depth=1, kernel=3), training=TrainingConfig(epochs=1), seed=3)
    assert canonical(unseen) == canonical(measured) == canonical(canonical(measured))
    assert cell_id(canonical(seen), "") != cell_id(canonical(measured), "")


def test_a_baseline_looks_at_the_joints_of_its_frames_alone() -> None:
    asked = Config(baseline=BaselineConfig(method="ridge"))
    unseen = replace(asked, model=D3DConfig(width=8), data=DataConfig(resize=40, crop=32), seed=3)
    unseen = replace(unseen, training=TrainingConfig(epochs=1), evaluation=EvaluationConfig(joint_noise=0.1))
    assert canonical(unseen) == canonical(asked) == canonical(canonical(asked))
    for other in (
        replace(asked, training=TrainingConfig(frames=8)),
        replace(asked, baseline=BaselineConfig(method="kernel ridge")),
        Config(),
    ):
        assert cell_id(canonical(other), "d") != cell_id(canonical(asked), "d")
    assert cell_id(canonical(asked), "e") != cell_id(canonical(asked), "d"), "other clips"


@pytest.mark.parametrize("key", sorted(UNSEEN))
def test_where_clips_and_weights_lie_does_not_change_the_id(key: str) -> None:
    assert changed(key) != Config()
    assert cell_id(canonical(changed(key)), "d") == cell_id(canonical(Config()), "d")


def test_a_fold_is_told_by_its_clips_alone() -> None:
    first, second = (canonical(Config(data=DataConfig(split="validation", fold=fold))) for fold in (None, 2))
    assert cell_id(first, "d") == cell_id(second, "d") != cell_id(second, "e")


def test_the_data_changes_the_id() -> None:
    assert cell_id(Config(), "d") != cell_id(Config(), "e")


def test_the_number_of_synthetic_clips_is_not_penn_actions() -> None:
    clips = [canonical(Config(data=DataConfig(name="penn_action", clips=number))) for number in (600, 1500)]
    assert clips[0] == clips[1]


def test_an_id_does_not_depend_on_the_order_of_keys() -> None:
    assert short_hash({"a": 1, "b": [2.0, None]}) == short_hash({"b": [2.0, None], "a": 1})


def test_ids_of_real_configurations_stay_what_they_were() -> None:
    """Recorded results carry these ids. A new key belongs in ADDED; a change of what is computed increases SCHEMA."""
    now, kept = ids(), golden()
    assert len(kept) == 2 * len(options("preset")) * len(options("ablation"))
    for group, rows in kept.items():
        assert {label: now[group].get(label) for label in rows} == rows, group
        assert rows.keys() == now[group].keys(), f"{group}: python -m tests.bench.plan.golden adds the new rows"


@pytest.mark.parametrize("key", ["model.sigma", "training.mixup", "augmentation.span", "evaluation.joint_noise"])
def test_a_key_that_was_added_later_names_a_cell_only_where_it_changes_something(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def id_of(config: Config) -> str:
        return cell_id(canonical(config), "d", TRAINED)

    named, other = id_of(Config()), id_of(changed(key))
    monkeypatch.setitem(ADDED, key, flatten(asdict(Config()))[key])
    assert id_of(changed(key)) == other
    as_before = id_of(Config())
    assert as_before != named

    group, _, name = key.partition(".")
    older = asdict(canonical(Config()))  # as in a release without this key
    del older[group][name]
    monkeypatch.setattr("d3d.bench.plan.identity.asdict", lambda config: older)
    assert id_of(Config()) == as_before


RGB_ONLY = D3DConfig(joint_attention=False, temporal_attention=False, joints=13)


@pytest.mark.parametrize(
    ("group", "change"),
    [
        ("model", {"sigma": 3.0}),
        ("augmentation", {"joint_noise": 0.1, "joint_dropout": 0.5}),
        ("evaluation", {"joint_noise": 0.1, "joint_dropout": 0.5}),
    ],
)
def test_what_is_done_to_joints_that_no_head_reads_makes_no_other_cell(group: str, change: dict[str, Any]) -> None:
    def with_change(model: D3DConfig) -> Config:
        config = Config(model=model)
        return replace(config, **{group: replace(getattr(config, group), **change)})

    assert canonical(with_change(RGB_ONLY)) == canonical(Config(model=RGB_ONLY))
    for reading in (
        replace(RGB_ONLY, joint_attention=True),
        replace(RGB_ONLY, temporal_attention=True),
        replace(RGB_ONLY, tokens="none"),
    ):
        assert canonical(with_change(reading)) != canonical(Config(model=reading))


def test_configurations_of_one_cell_train_to_the_same_bits(
    tiny_data: tuple[DataConfig, Dataset], tmp_path: Path
) -> None:
    data, dataset = tiny_data
    model = replace(RGB_ONLY, classes=15, width=2, depth=1, heads=1, kernel=2)
    training = TrainingConfig(frames=4, epochs=1, warmup_epochs=0, batch_size=15, learning_rate=1e-2)
    plain = Config(model=model, data=data, training=training)
    disturbed = AugmentationConfig(joint_noise=0.1, joint_dropout=0.5)
    changed = replace(plain, model=replace(model, sigma=3.0), augmentation=disturbed)
    assert plain != changed and canonical(plain) == canonical(changed)
    weights = []
    for name, config in (("plain", plain), ("changed", changed)):
        train(config, dataset, torch.device("cpu"), tmp_path / name, lambda result: None)
        trained = build(config.model)
        load_trained(tmp_path / name, config, trained)
        weights.append(trained.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_what_another_dataset_looks_at_is_not_looked_at() -> None:
    changed = {"protocol": "xview", "annotations": "/a.pkl", "skeleton": "coco", "splits": ("x", "y"), "classes": 7}
    changed |= {"persons": 1}
    looked_at: tuple[tuple[str, set[str]], ...] = (
        ("penn_action", set()),
        ("synthetic", set()),
        ("ntu60", {"protocol", "persons"}),
        ("finegym", {"annotations", "splits", "persons"}),
        ("pyskl", {"annotations", "skeleton", "splits", "classes", "persons"}),
    )
    for name, own in looked_at:
        data = canonical(Config(data=DataConfig(name=name, **changed))).data  # type: ignore[arg-type]
        assert {key for key, value in changed.items() if getattr(data, key) == value} == own
