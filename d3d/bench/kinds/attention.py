"""The attention kind: a test that also looks at where the model looks, and hides that. Its run holds maps of clips."""

from dataclasses import replace
from typing import TYPE_CHECKING

from d3d.bench.kinds.test import Test
from d3d.bench.record.schema import File, Tag
from d3d.config import Config
from d3d.defaults import with_defaults
from d3d.errors import ConfigError
from d3d.models.d3d.config import D3DConfig

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Attention(Test):
    """Needs the training, and is identified as a test is."""

    name = "attention"
    verb = "look at"
    beginning = "looking"
    entries = ("d3d.analysis.attention_look",)
    runs_system = False  # its code, which includes that of the one system that it looks at, is a part of its own

    def canonical(self, config: Config) -> Config:
        """One view of each clip is looked at. Raises ConfigError if there is no attention that can be looked at."""
        model = config.model
        if not isinstance(model, D3DConfig):
            fault = f"model.system={model.system} has no attention that can be looked at; use model=d3d"
            raise ConfigError(f"evaluation.attention=true: {fault}")
        if not (model.deformable_attention or model.joint_attention):
            fault = "the model has neither 3D deformable nor joint stride attention to look at; leave one in"
            raise ConfigError(f"evaluation.attention=true: {fault}")
        return super().canonical(replace(config, evaluation=with_defaults(config.evaluation, "views")))

    def tags(self, cell: "Cell") -> dict[str, str]:
        return {**super().tags(cell), Tag.ATTENTION: "true"}

    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        from d3d.analysis.attention_look import look
        from d3d.attention_maps import write_maps, write_numbers
        from d3d.models.d3d.transformer import D3DTransformer
        from d3d.models.registry import build
        from d3d.training.checkpoint import load_trained

        (training,) = cell.needs
        dataset = job.dataset(cell)
        model = build(cell.config.model, dataset.skeleton).to(job.device)
        assert isinstance(model, D3DTransformer)  # as `canonical` has made sure
        load_trained(job.folder(training), training.config, model)
        seen = look(model, dataset, cell.config, job.device, job.readers)
        run.attach(File.ATTENTION, write_numbers(seen.numbers).encode())
        run.attach(File.MAPS, write_maps(seen.maps))
        self.finish(cell, run, dataset, seen.predictions)
        return {"top1": seen.top1}
