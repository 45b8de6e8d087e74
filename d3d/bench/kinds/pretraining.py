"""The pretraining kind: trains a system without labels, for trainings to start from. Its run holds pictures."""

from dataclasses import replace
from typing import TYPE_CHECKING

from d3d.bench.kinds.training import Training, cost_of, listeners
from d3d.bench.record.schema import File, Metric
from d3d.config import Config, EvaluationConfig
from d3d.defaults import with_defaults

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Pretraining(Training):
    """Identified as a training is. It reads training clips alone and predicts nothing."""

    name = "pretraining"
    verb = "pre-train"
    beginning = "learning without labels"
    entries = ("d3d.training.pretraining",)
    predicts = False

    def canonical(self, config: Config) -> Config:
        """What concerns labels, the average that is tested, and the test is set to its default."""
        training = with_defaults(config.training, "label_smoothing", "mixup", "average")
        return super().canonical(replace(config, training=training, evaluation=EvaluationConfig()))

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        """Trains from the checkpoint if there is one, otherwise from the start."""
        from d3d.data.look.stages import stages_picture
        from d3d.training.pretraining import pretrain

        report, notice = listeners(cell, run, job)
        dataset = job.dataset(cell)
        loss, pictures = pretrain(cell.config, dataset, job.device, job.folder(cell), report, job.readers, notice)
        if not run.finished:  # otherwise only its weights had to be restored
            run.attach(File.RECONSTRUCTIONS, stages_picture(pictures))
            run.end({Metric.RECONSTRUCTION_LOSS: loss, **cost_of(cell.config, dataset.skeleton)})
        return {}
