"""The baseline kind: a classical method fitted to the joints of the training clips."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import named, of_dataset
from d3d.bench.record.schema import Metric, Tag
from d3d.config import Config, TrainingConfig
from d3d.defaults import with_defaults

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Baseline(Kind):
    """Identified by the method, the clips and the number of frames. It does not depend on a seed."""

    name = "baseline"
    verb = "fit"
    beginning = "fitting"
    entries = ("d3d.analysis.baselines",)
    runs_system = False
    random = False
    on_gpu = False

    def canonical(self, config: Config) -> Config:
        """Keeps only what the method reads: the annotated joints, and the number of frames of a test."""
        return Config(
            data=with_defaults(of_dataset(config.data), "view", "resize", "crop"),
            training=TrainingConfig(frames=config.training.frames),
            baseline=config.baseline,
        )

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        seen = {"frames": config.training.frames, "digest": digest}
        return named({"baseline": asdict(config)["baseline"]}) | seen

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {Tag.BASELINE: str(cell.config.baseline.method)}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.analysis.baselines import classify  # imports scikit-learn, which takes seconds

        dataset = job.dataset(cell)
        fitted = classify(cell.config.baseline, cell.config.training.frames, dataset)
        chosen = {Metric.VALIDATION_TOP1: fitted.validation_top1, **fitted.chosen}
        run.finish(fitted.predictions, chosen, dataset.classes)
        return {"top1": fitted.top1}
