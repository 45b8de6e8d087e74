import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from d3d.bench.declare.ablations import RECIPE, ablations
from d3d.bench.kinds.registry import BASELINE, FUSION, MEASUREMENT, PRETRAINING, TEST, TRAINING
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan, Report, make_plan, with_seeds
from d3d.bench.record.provenance import Code
from d3d.bench.record.schema import Tag, write_plan
from d3d.bench.record.tracking import Record, finished_cells
from d3d.bench.run.schedule import common_tags
from d3d.data.clip import Dataset
from d3d.data.skeleton import nameless
from d3d.errors import ConfigError, DataError
from d3d.models.cast.config import CASTConfig
from d3d.prediction import Prediction
from d3d.training.checkpoint import FILE, fingerprint
from tests.bench.conftest import launch_of, save_weights
from tests.systems import d3d_model


def report(plan: Plan) -> Report:
    [only] = plan.reports
    return only


def test_the_grid_of_25_points_is_16_trainings(plan: Callable[..., Plan]) -> None:
    grid = plan("ablation=stride_grid")
    assert len(report(grid).points) == 25
    assert len(grid.cells) == len({cell.id for cell in grid.cells}) == 16
    assert {point.cell for point in report(grid).points} == {cell.id for cell in grid.cells}


def test_each_seed_has_its_own_cells(plan: Callable[..., Plan]) -> None:
    grid = plan("ablation=stride_grid", "seeds=[0,5]")
    assert (len(report(grid).points), len(grid.cells)) == (50, 32)
    assert {cell.config.seed for cell in grid.cells} == {0, 5}
    assert grid.cells[0].label == "stride_grid: temporal window 4, temporal stride 1, seed 0"


def test_what_depends_on_the_data_is_the_datasets(plan: Callable[..., Plan], dataset: Dataset) -> None:
    model = plan("ablation=full").cells[0].config.model
    assert (model.classes, model.joints) == (len(dataset.classes), len(dataset.joint_names))


def test_cells_do_not_depend_on_the_order_of_arguments(plan: Callable[..., Plan]) -> None:
    arguments = ["ablation=stride_grid", "training.epochs=3", "model.width=8", "seeds=2"]
    first, second = plan(*arguments), plan(*reversed(arguments))
    assert [cell.id for cell in first.cells] == [cell.id for cell in second.cells]
    assert report(first).id == report(second).id


def test_a_launch_is_another_one_where_its_cells_are(plan: Callable[..., Plan]) -> None:
    asked = ["ablation=stride_grid", "ablation=full", "ablation=full seeds=2", "ablation=full training.epochs=3"]
    assert len({report(plan(*arguments.split())).id for arguments in asked}) == len(asked)


def test_cells_that_other_ablations_ask_for_are_counted(plan: Callable[..., Plan]) -> None:
    shared = plan("ablation=stride_grid").shared
    assert shared["full"] == shared["modules"] == shared["test_frames"] == 1, "the full model"
    assert "complexity" not in shared
    assert plan("ablation=full", "seeds=2").shared["stride_grid"] == 2
    assert "stride_grid" not in plan("ablation=full", "model.temporal_window=5").shared


def test_plan_json_says_what_the_command_line_changed_and_the_split(plan: Callable[..., Plan]) -> None:
    arguments = ["model.norm=pre", "data.split=validation", "seeds=2", "resources.cpus=1", "model.norm=printed"]
    written = report(plan("ablation=full", "tracking.test_every=2", *arguments)).recorded
    assert written.overrides == ("model.norm=printed", "data.split=validation")
    assert (written.split, written.data) == ("validation", "synthetic, files, validation split")
    plain = report(plan("ablation=full", "data=synthetic", "data.root=x")).recorded
    assert (plain.overrides, plain.split) == ((), "test")


def test_plan_json_holds_the_points_as_asked_for(plan: Callable[..., Plan]) -> None:
    grid = report(plan("ablation=stride_grid", "augmentation.flip=false"))
    written = json.loads(write_plan(grid.recorded))
    last = written["points"][-1]
    assert last["row"] == "temporal window 10, temporal stride 10"
    assert last["axes"] == {"model.temporal_window": 10, "model.temporal_stride": 10}
    assert last["cell"] == written["points"][-2]["cell"], "strides 8 and 10 are one training"
    assert written["artefacts"] == ["figure7a"]
    assert written["reference"] == "temporal window 6, temporal stride 3", "the launch's own window and stride"
    assert written["claims"] == list(grid.ablation.claims)
    assert written["frames"] == 12
    assert written["command"].startswith(
        "python orchestrate.py preset=smoke ablation=stride_grid augmentation.flip=false"
    )


@pytest.mark.parametrize(
    ("ablation", "reference"),
    [("modules", "full"), ("tokens", "cross"), ("test_frames", "frames 12"), ("complexity", None)],
)
def test_rows_are_compared_with_the_full_model(plan: Callable[..., Plan], ablation: str, reference: str | None) -> None:
    assert report(plan(f"ablation={ablation}")).reference == reference


def test_a_test_brings_the_training_of_its_weights(plan: Callable[..., Plan]) -> None:
    tests = plan("ablation=joint_noise", "seeds=2")
    [full] = plan("ablation=full").cells
    trainings = [cell for cell in tests.cells if cell.kind is TRAINING]
    assert [cell.config.seed for cell in trainings] == [0, 1]
    assert trainings[0].id == full.id
    assert tests.cells[:2] == tuple(trainings), "they are run first"
    others = tests.cells[2:]
    assert len(others) == 2 * 5
    assert {cell.kind for cell in others} == {TEST}
    assert {cell.needs for cell in others} == {(training,) for training in trainings}


def test_one_test_of_two_trainings_is_two_cells(plan: Callable[..., Plan]) -> None:
    cells = [
        plan("ablation=full", "evaluation.frames=4", f"model.temporal_window={window}").cells[1] for window in (6, 8)
    ]
    assert cells[0].config == cells[1].config, "both windows are cut to the 4 frames"
    assert cells[0].id != cells[1].id


def test_a_test_at_more_frames_has_the_windows_that_were_asked_for(plan: Callable[..., Plan]) -> None:
    asked = ["ablation=full", "evaluation.frames=16", "model.temporal_window=10", "model.temporal_stride=5"]
    training, test = plan(*asked).cells
    assert (d3d_model(training.config).temporal_stride, d3d_model(test.config).temporal_stride) == (2, 5)
    assert training.config.evaluation.frames is None


FUSED = """
title: t
section: s
command: c
cost: c
rows:
- label: R(2+1)D
  settings: {model: r2plus1d}
- label: ST-GCN
  settings: {model: stgcn}
- label: at 4 frames
  settings: {model: stgcn, evaluation.frames: 4}
- label: ridge
  settings: {baseline.method: ridge}
- label: fused
  fuse: %s
"""


def test_a_fusion_brings_what_it_fuses_of_the_same_seed(plan: Callable[..., Plan], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FUSED % "[ST-GCN, R(2+1)D]")
    fused = plan(f"ablation={path}", "seeds=2")
    fusions = [cell for cell in fused.cells if cell.kind is FUSION]
    assert [cell.label for cell in fusions] == ["mine: fused, seed 0", "mine: fused, seed 1"]
    for seed, cell in enumerate(fusions):
        assert [(each.row, each.config.seed) for each in cell.needs] == [
            ("mine: ST-GCN", seed),
            ("mine: R(2+1)D", seed),
        ]
        assert set(cell.needs) <= set(fused.cells) and fused.cells.index(cell) > fused.cells.index(cell.needs[0])
    path.write_text(FUSED % "[R(2+1)D, ST-GCN]")
    again = [cell.id for cell in plan(f"ablation={path}", "seeds=2").cells if cell.kind is FUSION]
    assert again == [cell.id for cell in fusions], "a mean has no order"
    path.write_text(FUSED % "[R(2+1)D, at 4 frames]")
    other = [cell for cell in plan(f"ablation={path}").cells if cell.kind is FUSION]
    assert other[0].id not in again and TEST in {each.kind for each in other[0].needs}


@pytest.mark.parametrize(
    ("fuse", "said"),
    [
        ("[R(2+1)D, ridge]", "row fused: fuse: ridge: a baseline has no probabilities"),
        ("[R(2+1)D, ST-GC]", r"row fused: fuse: ST-GC: no row above it has this label \(did you mean ST-GCN\?\)"),
        ("[R(2+1)D, fused]", "fuse: fused: no row above it has this label"),
        ("[ST-GCN]", "must be two or more different rows"),
        ("[ST-GCN, ST-GCN]", "must be two or more different rows"),
        ("[ST-GCN, R(2+1)D]\n  settings: {model: stgcn}", r"the row has settings too \(model\)"),
    ],
)
def test_rows_that_cannot_be_fused(plan: Callable[..., Plan], tmp_path: Path, fuse: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FUSED % fuse)
    with pytest.raises(ConfigError, match=said) as fault:
        plan(f"ablation={path}")
    assert "\n" not in str(fault.value)


def test_measurements_need_no_data_and_no_seeds(plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    once = plan("ablation=complexity")
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", None)
    often = plan("ablation=complexity", "seeds=[3,4]", "training.epochs=9", "data=penn_action")
    assert [cell.id for cell in often.cells] == [cell.id for cell in once.cells]
    assert len(report(often).points) == len(often.cells) == len(often.launch.ablations[0].rows)
    assert {cell.kind for cell in often.cells} == {MEASUREMENT}
    assert report(often).data_digest == ""


def test_clips_are_flipped_only_where_left_and_right_are_known(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(dataset, skeleton=nameless(13))
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: unknown)
    with pytest.raises(DataError, match=r"augmentation\.flip=true: .*, or set augmentation\.flip=false"):
        make_plan(launch_of(tmp_path, "ablation=full"))
    for arguments in (["ablation=full", "augmentation.flip=false"], ["ablation=baselines"]):
        assert make_plan(launch_of(tmp_path, *arguments)).cells


def test_clips_that_are_left_out_are_in_plan_json_and_in_the_tags_of_each_cell(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = replace(dataset, left_out=("c7", "c2"))
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: lacking)
    planned = make_plan(launch_of(tmp_path, "ablation=test_frames"))
    assert json.loads(write_plan(report(planned).recorded))["left_out"] == ["c7", "c2"]
    said = "2 clips are left out, because of missing frames or damage: c7, c2"
    assert {cell.kind for cell in planned.cells} == {TRAINING, TEST}
    assert {common_tags(planned, cell)[Tag.LEFT_OUT] for cell in planned.cells} == {said}


def test_no_clip_is_left_out_of_a_whole_dataset(plan: Callable[..., Plan]) -> None:
    planned = plan("ablation=full")
    assert report(planned).recorded.left_out == ()
    assert Tag.LEFT_OUT not in common_tags(planned, planned.cells[0])


def test_baselines_have_no_seed_and_need_no_model(plan: Callable[..., Plan]) -> None:
    once, often = plan("ablation=baselines"), plan("ablation=baselines", "seeds=[3,4]", "model.width=8", "data.crop=18")
    assert [cell.id for cell in often.cells] == [cell.id for cell in once.cells]
    assert [point.row for point in report(often).points] == ["ridge", "kernel ridge", "nearest neighbour"]
    assert {cell.kind for cell in often.cells} == {BASELINE}
    assert (report(often).data_digest, report(often).reference) == ("da7a", None)
    assert often.cells[0].label == "baselines: ridge"
    with pytest.raises(DataError, match=r"training\.frames=19"):
        plan("ablation=baselines", "training.frames=19")


def test_all_is_planned_as_each_ablation_is_alone(plan: Callable[..., Plan]) -> None:
    everything = plan("ablation=all", "seeds=2")
    assert all(ablations()[name].model for name in everything.shared), "those of one system are no part of all"
    ids = set()
    for each in everything.reports:
        alone = report(plan(f"ablation={each.ablation.name}", "seeds=2"))
        assert alone.id == each.id
        assert alone.points == each.points
        assert each.command.startswith(f"python orchestrate.py ablation={each.ablation.name} preset=smoke seeds=2")
        ids |= {cell.id for cell in alone.cells}
    assert len(everything.cells) == len(ids)
    assert {cell.id for cell in everything.cells} == ids
    [full] = plan("ablation=full").cells
    assert set(everything.ablations_of(full.id)) >= {
        "full",
        "modules",
        "tokens",
        "stride_grid",
        "frames",
        "test_frames",
    }


def test_what_is_finished_is_not_run_again(plan: Callable[..., Plan]) -> None:
    one, three = plan("ablation=modules"), plan("ablation=modules", "seeds=3")
    assert one.unfinished(()) == one.cells
    new = three.unfinished({cell.id for cell in one.cells})
    assert {cell.config.seed for cell in new} == {1, 2}
    assert len(new) == 2 * len(one.cells)


def test_a_training_whose_weights_are_gone_is_run_again_where_a_test_needs_them(plan: Callable[..., Plan]) -> None:
    tests = plan("ablation=joint_noise")
    training, first, *others = tests.cells
    finished = {training.id, first.id}
    assert tests.unfinished(finished) == (training, *others)
    folder = tests.launch.storage / "cells" / training.id
    save_weights(folder, training.config, training.epochs)
    assert tests.unfinished(finished) == tuple(others)
    weights = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert tests.unfinished(finished) == (training, *others), "they are damaged"
    assert tests.unfinished({cell.id for cell in tests.cells}) == (), "nothing needs them"


def test_more_frames_than_the_clips_have_are_refused(plan: Callable[..., Plan]) -> None:
    assert plan("ablation=full", "training.frames=18").cells
    with pytest.raises(DataError, match=r"training\.frames=19"):
        plan("ablation=full", "training.frames=19")
    with pytest.raises(DataError, match=r"evaluation\.frames=19"):
        plan("ablation=full", "evaluation.frames=19")


def test_a_row_gets_the_seeds_that_are_wanted_of_it_and_the_launch_stays_the_same_one(
    plan: Callable[..., Plan],
) -> None:
    begun = plan("ablation=modules", "seeds=settle", "seeds.most=8")
    assert {point.seed for point in report(begun).points} == {0, 1, 2}
    assert report(begun).recorded.settle == 8
    grown = with_seeds(begun, {"modules": {RECIPE: {"full": 5, "no_joint": 8, "no_temporal": 2}}})
    seeds = {row: [p.seed for p in report(grown).points if p.row == row] for row in ("full", "no_joint", "no_temporal")}
    assert {row: len(each) for row, each in seeds.items()} == {"full": 5, "no_joint": 8, "no_temporal": 3}
    assert len(grown.cells) == 3 * 3 + 5 + 8
    assert {cell.id for cell in begun.cells} < {cell.id for cell in grown.cells}
    assert report(grown).id == report(begun).id
    assert report(begun).id != report(plan("ablation=modules", "seeds=3")).id
    assert report(begun).id != report(plan("ablation=modules", "seeds=settle")).id


def test_what_other_code_made_is_kept_unless_it_is_to_be_rerun(plan: Callable[..., Plan], record: Record) -> None:
    launch = ("ablation=joint_noise",)
    kept, rerun = plan(*launch), plan(*launch, "stale=rerun")
    training, test, *others = kept.cells
    save_weights(kept.launch.storage / "cells" / training.id, training.config, training.epochs)

    def finish(cell: Cell, digest: str, code: Code | None = None) -> None:
        record.begin(cell, {"code_digest": digest}, code=code).finish([Prediction("0001", 1, 1)])

    today = kept.codes["training of d3d"]
    finish(training, "0ld")
    finish(test, today.digest)  # of weights that old code made
    finish(others[0], today.digest)
    found = finished_cells(kept)
    assert kept.stale(found) == rerun.stale(found) == (training, test, others[0])
    assert kept.counted(found) == found
    assert kept.unfinished(kept.counted(found)) == tuple(others[1:])
    assert rerun.unfinished(rerun.counted(found)) == rerun.cells

    finish(training, today.digest, today)
    found = finished_cells(kept)
    assert kept.stale(found) == (test, others[0]), "they tested other weights"
    assert rerun.unfinished(rerun.counted(found)) == (test, *others)
    for cell in (test, *others):
        finish(cell, today.digest, today)
    assert rerun.unfinished(rerun.counted(finished_cells(rerun))) == ()


def names(cells: Sequence[Cell]) -> list[str]:
    """The rows of cells, without the first row's own name."""
    return [cell.row.partition(", ")[2] for cell in cells]


def test_a_training_brings_those_that_it_starts_from(plan: Callable[..., Plan]) -> None:
    asked = plan("ablation=full", "model=cast", "seeds=[3]")
    masked, spatial, temporal, cast = asked.cells
    assert names(asked.cells) == ["temporal expert, masked pre-training", "spatial expert", "temporal expert", ""]
    assert [cell.kind for cell in asked.cells] == [PRETRAINING, TRAINING, TRAINING, TRAINING]
    assert (cast.needs, temporal.needs, spatial.needs) == ((spatial, temporal), (masked,), ())
    assert {cell.config.seed for cell in asked.cells} == {3}
    assert {cell.data_digest for cell in asked.cells} == {"da7a"}
    assert spatial.epochs == 1 and masked.config.training.learning_rate == 1e-3
    assert [point.cell for point in report(asked).points] == [cast.id]


def test_rows_share_what_they_start_from_and_another_start_is_another_training(plan: Callable[..., Plan]) -> None:
    directions = plan("ablation=cast_directions")
    assert len(directions.cells) == 3 + 4
    cast, other = (plan("ablation=full", "model=cast", f"model.masked_epochs={epochs}").cells[-1] for epochs in (1, 2))
    assert cast in directions.cells and other not in directions.cells
    untouched = plan("ablation=full", "model=cast", "training.learning_rate=1", "training.label_smoothing=0.2")
    assert set(untouched.cells[:-1]) < set(directions.cells), "the recipe of CAST is not that of its experts"
    smaller = plan("ablation=full", "model=cast", "data.split=validation").cells[:-1]
    assert not set(smaller) & set(directions.cells), "experts see the clips that are left for training"


def test_given_weights_are_known_by_their_content_and_their_expert_is_not_trained(
    plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / f"{name}.safetensors" for name in ("one", "same, elsewhere", "other")}
    for name, path in places.items():
        path.write_text("other" if name == "other" else "one")

    def cells(*arguments: str) -> tuple[Cell, ...]:
        return plan("ablation=full", "model=cast", *arguments).cells

    one, elsewhere, other = (cells(f"model.spatial_weights={path}") for path in places.values())
    assert names(one) == ["temporal expert, masked pre-training", "temporal expert", ""]
    assert one[-1].id == elsewhere[-1].id != other[-1].id
    assert fingerprint(one[-1].config) == fingerprint(elsewhere[-1].config) != fingerprint(other[-1].config)
    assert {one[-1].id, other[-1].id}.isdisjoint(cell.id for cell in cells())
    monkeypatch.chdir(tmp_path)
    [both] = cells("model.spatial_weights=one.safetensors", "model.temporal_weights=other.safetensors")
    assert isinstance(both.config.model, CASTConfig)
    assert both.config.model.weights == {"spatial": str(places["one"]), "temporal": str(places["other"])}
    started, scratch = (plan("ablation=full", *given).cells[-1] for given in (["model.weights=one.safetensors"], []))
    assert started.id != scratch.id and fingerprint(started.config) != fingerprint(scratch.config)
    with pytest.raises(ConfigError, match=r"absent\.safetensors: cannot be read \(No such file"):
        cells("model.spatial_weights=absent.safetensors")


def test_every_ablation_of_a_system_is_one_launch(plan: Callable[..., Plan]) -> None:
    everything = plan("ablation=cast")
    assert {each.ablation.model for each in everything.reports} == {"cast"}
    trained = [cell for cell in everything.cells if cell.kind in (TRAINING, PRETRAINING)]
    assert len({cell.id for cell in trained}) == len(trained) == len(everything.cells) - 2, "two ensembles"
    assert {point.row for each in everything.reports for point in each.points} >= {"full", "random experts"}
    assert everything.reports[0].command.startswith("python orchestrate.py ablation=cast_")


def test_weights_to_start_from_that_are_gone_are_trained_again_with_all_that_they_need(
    plan: Callable[..., Plan],
) -> None:
    asked = plan("ablation=full", "model=cast")
    masked, spatial, temporal, cast = asked.cells
    finished = {masked.id, spatial.id, temporal.id}
    assert asked.unfinished(finished) == asked.cells, "no weights are there"
    for cell in (masked, spatial):
        save_weights(asked.launch.storage / "cells" / cell.id, cell.config, cell.epochs)
    assert asked.unfinished(finished) == (temporal, cast)
    save_weights(asked.launch.storage / "cells" / temporal.id, temporal.config, temporal.epochs)
    (asked.launch.storage / "cells" / masked.id / FILE).unlink()
    assert asked.unfinished(finished) == (cast,), "nothing that runs needs the masked one"
    assert asked.unfinished({*finished, cast.id}) == ()


def test_clips_that_are_not_of_whole_tokens_are_refused(plan: Callable[..., Plan]) -> None:
    for arguments, said in {
        ("training.frames=7",): r"training\.frames=7: must be even",
        ("model.patch=5",): r"model\.patch=5: must divide data\.crop = 16",
        ("evaluation.frames=8",): r"evaluation\.frames=8: must be training\.frames = 12",
        ("model.mask_ratio=0.1",): r"model\.mask_ratio=0\.1: must leave one of the 4 patches",
    }.items():
        with pytest.raises(ConfigError, match=said) as fault:
            plan("ablation=full", "model=cast", *arguments)
        assert "\n" not in str(fault.value)


def test_what_learns_without_labels_is_no_row(plan: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigError, match=r"model\.system=masked_vit: learns without labels and has no top-1"):
        plan("ablation=full", "model.system=masked_vit", "model.patch=4")


def test_a_search_trains_what_its_trials_start_from_once(plan: Callable[..., Plan]) -> None:
    asked = plan("ablation=full", "model=cast", "search=optuna", "search.trials=2")
    [study] = asked.studies
    assert {start.config.data.split for start in study.starts} == {"validation"}
    assert len(asked.cells) == 4 + 3 and set(study.starts) < set(asked.cells), "they run before the trials"
    assert study.trial_cell(1, {"training.learning_rate": 1e-3}).needs == study.trial_cell(0, {}).needs
    with pytest.raises(ConfigError, match=r"model\.width: every value needs trainings of its own to start from"):
        plan("ablation=full", "model=cast", "search=pareto", "search.trials=2", "model.heads=2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ablation=attention", "evaluation.attention_clips=[nobody]"), "attention_clips=nobody: is no test clip"),
        (("ablation=full", "model=stgcn", "evaluation.attention=true"), "model.system=gcn has no attention"),
        (
            ("ablation=attention", "model.deformable_attention=false", "model.joint_attention=false"),
            "neither 3D deformable nor joint",
        ),
        (("ablation=attention", "evaluation.hidden=1"), "evaluation.hidden=1"),
    ],
)
def test_attention_that_cannot_be_looked_at_is_refused(
    plan: Callable[..., Plan], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*arguments)


def test_the_clips_and_the_share_that_is_hidden_are_part_of_a_look_alone(plan: Callable[..., Plan]) -> None:
    def ids(*arguments: str) -> list[str]:
        return [cell.id for cell in plan(*arguments).cells]

    training, looked = ids("ablation=attention")
    assert ids("ablation=full") == ids("ablation=full", "evaluation.hidden=0.5") == [training]
    other = ids("ablation=attention", "evaluation.hidden=0.5")
    assert other[0] == training and other[1] != looked
