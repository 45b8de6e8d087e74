"""The fusion kind: the mean of the predictions of finished cells; nothing is trained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import named, of_dataset
from d3d.bench.record.schema import Tag
from d3d.config import Config
from d3d.prediction import top1

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Fusion(Kind):
    """Needs the cells that it fuses, and is identified by them in any order."""

    name = "fusion"
    verb = "fuse"
    beginning = "fusing"
    entries = ("d3d.analysis.fusion",)
    runs_system = False
    on_gpu = False

    def canonical(self, config: Config) -> Config:
        """Keeps only the clips and the seed; everything else belongs to the fused cells."""
        return Config(data=of_dataset(config.data), seed=config.seed)

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        return named({}) | {"fused": sorted(cell.id for cell in needs)}

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {Tag.FUSED: "+".join(each.id for each in cell.needs)}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.analysis.fusion import fuse

        fused = [run.record.predictions(each.id) for each in cell.needs]
        dataset = job.dataset(cell)
        predictions = fuse(fused, dataset.parts if any(each.parts for each in fused[0]) else ())
        run.finish(predictions, classes=dataset.classes)
        return {"top1": top1(predictions)}
