"""A training of a system; its run holds the curves, its folder the weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import of_dataset, training_identity, without_unread
from d3d.bench.record.schema import Metric, Tag
from d3d.config import Config, MeasurementConfig

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job
    from d3d.training.loop import EpochResult


class Training(Kind):
    """Named by the model, the clips, how it is trained, and the seed."""

    name = "training"
    verb = "train"
    beginning = "starting"
    entries = ("d3d.training.loop",)

    def canonical(self, config: Config) -> Config:
        """A system says what of its own keys computes the same on the frames of the test.

        What is done to frames or joints that the system does not read, and what belongs to another dataset, is set to
        its default.
        """
        config = without_unread(config)
        evaluation = config.evaluation
        frames = evaluation.frames or config.training.frames
        if frames == config.training.frames:
            evaluation = replace(evaluation, frames=None)
        model, data = config.model.canonical(frames), of_dataset(config.data)
        return replace(config, model=model, data=data, evaluation=evaluation, measurement=MeasurementConfig())

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        return training_identity(config, digest)

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        """Goes on from the checkpoint where there is one."""
        from d3d.analysis.complexity import forward_gmacs, parameter_count
        from d3d.training.checkpoint import discard_checkpoints
        from d3d.training.loop import train

        if not run.logged:  # a checkpoint without a record would leave out the epochs before it, or be of other code
            discard_checkpoints(job.folder(cell))

        def report(result: "EpochResult") -> None:
            run.log_epoch(result)
            tested = {"top1": result.metrics[Metric.EVAL_TOP1]} if Metric.EVAL_TOP1 in result.metrics else {}
            job.report({"epoch": result.epoch, **tested})

        def notice(text: str) -> None:
            run.note(Tag.DAMAGED, text)
            job.report({"notice": text})

        dataset = job.dataset(cell)
        predictions = train(
            cell.config, dataset, job.device, job.folder(cell), report, job.readers, job.test_every, notice
        )
        if not run.results:  # else only its weights had to be mended
            gmacs, parameters = (count(cell.config, dataset.skeleton) for count in (forward_gmacs, parameter_count))
            run.finish(predictions, {Metric.GMACS: gmacs, Metric.PARAMETERS: parameters})
        return {}
