"""The training kind: trains a system. Its run holds the learning curves, its folder the weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import of_dataset, training_identity, without_unread
from d3d.bench.record.schema import File, Metric, Tag
from d3d.config import Config, MeasurementConfig
from d3d.defaults import with_defaults

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job
    from d3d.data.clip import Dataset
    from d3d.data.skeleton import Skeleton
    from d3d.prediction import Prediction
    from d3d.training.loop import EpochResult


class Training(Kind):
    """Identified by the model, the clips, the training settings, the seed, and the trainings that it starts from.

    It needs the trainings whose weights parts of the system start from (`SystemConfig.starts`); most systems have none.
    """

    name = "training"
    verb = "train"
    beginning = "starting"
    entries = ("d3d.training.loop",)
    trains = True
    loads = True

    def canonical(self, config: Config) -> Config:
        """The system decides which values of its own keys compute the same for the number of frames in the test.

        Keys that concern frames or joints the system does not read, or another dataset, are set to their defaults.
        """
        config = without_unread(config)
        evaluation = config.evaluation
        frames = evaluation.frames or config.training.frames
        if frames == config.training.frames:
            evaluation = replace(evaluation, frames=None)
        if not evaluation.attention:
            evaluation = with_defaults(evaluation, "attention_clips", "hidden")
        model, data = config.model.canonical(frames), of_dataset(config.data)
        return replace(config, model=model, data=data, evaluation=evaluation, measurement=MeasurementConfig())

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        starts = {part: need.id for part, need in zip(config.model.starts, needs, strict=True)}
        return training_identity(config, digest) | ({"starts": starts} if starts else {})

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        """Trains from the checkpoint if there is one, otherwise from the start."""
        from d3d.training.checkpoint import TrainedPart
        from d3d.training.loop import train

        report, notice = listeners(cell, run, job)
        dataset = job.dataset(cell)
        predictions = train(
            cell.config,
            dataset,
            job.device,
            job.folder(cell),
            report,
            job.readers,
            job.test_every,
            notice,
            starts=tuple(
                TrainedPart(part, job.folder(need), need.config)
                for part, need in zip(cell.config.model.starts, cell.needs, strict=True)
            ),
        )
        if not run.finished:  # otherwise only its weights had to be restored
            self.finish(cell, run, dataset, predictions, cost_of(cell.config, dataset.skeleton))
        return {}

    def finish(
        self,
        cell: "Cell",
        run: "CellRun",
        dataset: "Dataset",
        predictions: "Sequence[Prediction]",
        metrics: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Records the predictions with pictures of the clips that are most wrong, and further metrics; ends the run."""
        from d3d.data.look.worst_clips import draw_worst
        from d3d.worst_clips import write_pictures

        if pictures := draw_worst(predictions, dataset, cell.config):
            run.attach(File.WORST_CLIPS, write_pictures(pictures))
        run.finish(predictions, metrics, dataset.classes)


def listeners(
    cell: "Cell", run: "CellRun", job: "Job"
) -> "tuple[Callable[[EpochResult], None], Callable[[str], None]]":
    """What a training tells of each epoch, and of each damaged checkpoint, is recorded and reported.

    Discards the checkpoint if the run has no epochs: the record would lack those before the checkpoint, which other
    code may have made.
    """
    from d3d.training.checkpoint import discard_checkpoints

    if not run.logged:
        discard_checkpoints(job.folder(cell))

    def report(result: "EpochResult") -> None:
        run.log_epoch(result)
        tested = {"top1": result.metrics[Metric.EVAL_TOP1]} if Metric.EVAL_TOP1 in result.metrics else {}
        job.report({"epoch": result.epoch, **tested})

    def notice(text: str) -> None:
        run.note(Tag.DAMAGED, text)
        job.report({"notice": text})

    return report, notice


def cost_of(config: Config, skeleton: "Skeleton") -> dict[str, float]:
    """What is recorded of the cost of a system."""
    from d3d.analysis.complexity import forward_gmacs, frozen_count, parameter_count

    counts = {Metric.GMACS: forward_gmacs, Metric.PARAMETERS: parameter_count, Metric.FROZEN: frozen_count}
    return {metric: count(config, skeleton) for metric, count in counts.items()}
