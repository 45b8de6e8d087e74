"""The measurement kind: the time, memory and operations of one attention module."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from d3d.bench.kinds.kind import Kind
from d3d.bench.plan.identity import named
from d3d.bench.record.schema import Tag
from d3d.config import Config
from d3d.defaults import with_defaults
from d3d.errors import ConfigError

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Measurement(Kind):
    """Identified by the module and the sizes that are measured. It uses no clips."""

    name = "measurement"
    verb = "measure"
    beginning = "measuring"
    entries = ("d3d.analysis.complexity",)
    runs_system = False
    random = False
    predicts = False
    alone = True

    def canonical(self, config: Config) -> Config:
        """A window as long as its axis is full attention, and full attention has no window.

        Raises ConfigError if the system has no module that can be measured.
        """
        measurement, model = config.measurement, config.model
        if not model.measured:
            fault = f"model.system={model.system} has no module that can be measured; use model=d3d"
            raise ConfigError(f"measurement.module={measurement.module}: {fault}")
        if measurement.module == "joint":
            length, measurement = measurement.joints, with_defaults(measurement, "rgb_tokens")
        else:
            length = measurement.frames
        if measurement.attention == "full" or measurement.window >= length:
            measurement = replace(with_defaults(measurement, "window"), attention="full")
        measured = {key: getattr(model, key) for key in model.measured}
        return Config(model=type(model)(system=model.system, **measured), measurement=measurement)

    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        tree = asdict(config)
        model = {key: tree["model"][key] for key in config.model.measured}
        return named({"model": model, "measurement": tree["measurement"]})

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {Tag.MEASUREMENT: str(cell.config.measurement.module)}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.analysis.complexity import measure

        measured = measure(cell.config.model, cell.config.measurement, job.device)
        run.end(asdict(measured))
        return {"seconds": measured.seconds}
