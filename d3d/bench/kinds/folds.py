"""The folds kind: the predictions of one row for all folds of a dataset together; nothing is trained.

A row that is averaged over folds has one such cell for each seed, so that whatever reads a result of the row finds one.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import named
from d3d.bench.record.schema import Metric, Tag
from d3d.config import Config
from d3d.prediction import in_fold, top1

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job

AVERAGED = (
    *(Metric.GMACS, Metric.PARAMETERS, Metric.FROZEN),
    *(Metric.MOVED_T, Metric.MOVED_Y, Metric.MOVED_X),
    Metric.VALIDATION_TOP1,
)  # metrics of single cells that a table may show; the accuracies follow from the predictions


class Folds(Kind):
    """Needs a cell for each fold, and is identified by them.

    A clip that is tested in several folds has a prediction for each, which are of one take. The accuracy is therefore
    the mean over all tests of all folds, and its variance over takes counts a clip once.
    """

    name = "folds"
    verb = "average over folds"
    beginning = "averaging"
    entries = ("d3d.prediction",)
    runs_system = False
    on_gpu = False

    def canonical(self, config: Config) -> Config:
        """That of its folds, but with all of them, which is canonical already."""
        return config

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        return named({}) | {"folds": sorted(cell.id for cell in needs)}

    def tags(self, cell: "Cell") -> dict[str, str]:
        """Also which weights were tested, and what was fused, as the cells of the folds have it."""
        each = [need.kind.tags(need) for need in cell.needs]
        weights = [tags.get(Tag.TRAINED, need.id) for tags, need in zip(each, cell.needs, strict=True)]
        joined = {Tag.FOLDS.value: "+".join(need.id for need in cell.needs), Tag.TRAINED.value: "+".join(weights)}
        fused = [tags[Tag.FUSED] for tags in each if Tag.FUSED in tags]
        return joined | ({Tag.FUSED.value: "+".join(fused)} if fused else {})

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        folds = zip(cell.config.data.folds, cell.needs, strict=True)
        predictions = [in_fold(each, fold) for fold, need in folds for each in run.record.predictions(need.id)]
        finished = run.record.finished([need.id for need in cell.needs])
        metrics = [finished[need.id].data.metrics for need in cell.needs]
        there = [key.value for key in AVERAGED if all(key in each for each in metrics)]
        run.finish(predictions, {key: fmean(each[key] for each in metrics) for key in there})
        return {"top1": top1(predictions)}
