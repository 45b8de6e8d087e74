"""The test kind: tests the weights of a finished training again with other evaluation settings."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.training import Training
from d3d.bench.plan.identity import named, training_identity
from d3d.bench.record.schema import Tag
from d3d.config import Config

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Test(Training):
    """Needs the training, and is identified by it and by the evaluation settings."""

    name = "test"
    verb = "test"
    beginning = "testing"
    trains = False

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        (training,) = needs
        tested = named({"evaluation": asdict(config)["evaluation"]})
        return training_identity(config, digest) | tested | {"trained": training.id}

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {Tag.TRAINED: cell.needs[0].id}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.training.evaluation import evaluate_trained

        (training,) = cell.needs
        dataset, weights = job.dataset(cell), job.folder(training)
        tested = evaluate_trained(cell.config, training.config, dataset, job.device, weights, job.readers)
        self.finish(cell, run, dataset, tested.predictions)
        return {"top1": tested.top1}
