"""A classical method that is fitted to the joints of the training clips."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from d3d.config import Config, DataConfig, TrainingConfig
from experiments.identity import named, of_dataset
from experiments.kinds.kind import Kind
from experiments.schema import Metric, Tag

if TYPE_CHECKING:
    from experiments.cell import Cell
    from experiments.track import CellRun
    from experiments.worker import Job


class Baseline(Kind):
    """Named by the method, the clips, and how many of their frames it sees; nothing of it is random."""

    name = "baseline"
    verb = "fit"
    beginning = "fitting"
    entries = ("d3d.baselines",)
    runs_system = False
    random = False
    on_gpu = False

    def canonical(self, config: Config) -> Config:
        """The joints of the clips as they are annotated, at the frames of the test."""
        data, blank = of_dataset(config.data), DataConfig()
        return Config(
            data=replace(data, view=blank.view, resize=blank.resize, crop=blank.crop),
            training=TrainingConfig(frames=config.training.frames),
            baseline=config.baseline,
        )

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        seen = {"frames": config.training.frames, "digest": digest}
        return named({"baseline": asdict(config)["baseline"]}) | seen

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {Tag.BASELINE: str(cell.config.baseline.method)}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.baselines import classify  # scikit-learn takes seconds, and other cells need none

        fitted = classify(cell.config.baseline, cell.config.training.frames, job.dataset(cell))
        run.finish(fitted.predictions, {Metric.VALIDATION_TOP1: fitted.validation_top1, **fitted.chosen})
        return {"top1": fitted.top1}
