"""`run cell=ID`: plans one cell of a record to be run anew, in a storage folder of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from d3d.bench.declare.ablations import Ablation, Row
from d3d.bench.declare.launch import Cluster, Launch, Output, Resources
from d3d.bench.declare.usages import FILES, REPRODUCE
from d3d.bench.plan.planning import Plan, Report
from d3d.bench.plan.recorded_cell import RecordedCells
from d3d.bench.record.access import exists
from d3d.bench.record.location import record_uri, shown
from d3d.bench.record.provenance import current_code
from d3d.bench.record.schema import ENVIRONMENT_PREFIX, Point, Tag
from d3d.bench.record.tracking import Record
from d3d.cpus import cpu_count
from d3d.errors import ConfigError, RecordError
from d3d.key_values import boolean, key_values, whole_number
from d3d.redaction import redacted
from d3d.typed_path import typed_path

NAME = "reproduction"  # of the launch


@dataclass(frozen=True)
class Reproduction:
    """What `run cell=ID` asks for."""

    arguments: tuple[str, ...]  # as typed, without the secrets of URIs
    cell: str
    recorded: Path  # the storage folder of the recorded cell
    recorded_uri: str
    storage: Path  # where it is run anew; absolute
    values: Mapping[str, str]  # all keys


def asked_reproduction(arguments: Sequence[str]) -> Reproduction:
    """What the arguments ask for. Raises ConfigError, also where the recorded cell would be overwritten."""
    values = key_values(arguments, REPRODUCE.keys)
    recorded = typed_path("recorded.storage", values.get("recorded.storage", "results")).absolute()
    storage = typed_path("storage", values.get("storage", str(recorded / "reproduced" / values["cell"]))).absolute()
    uri = record_uri(values.get("recorded.tracking.uri"), recorded)
    if storage.resolve() == recorded.resolve() or record_uri(None, storage) == uri:
        raise ConfigError(f"storage={storage}: has the recorded cell, which is not overwritten; name another folder")
    return Reproduction(tuple(map(redacted, arguments)), values["cell"], recorded, uri, storage, values)


def plan_reproduction(asked: Reproduction, output: Output) -> Plan:
    """The plan that runs the cell anew. Opens its dataset.

    Raises RecordError and ConfigError where the cell cannot be run again, DataError where its data cannot be read.
    """
    if not exists(asked.recorded_uri):
        fault = "there is no record; name the folder of the launch that ran the cell, recorded.storage=DIR"
        raise RecordError(f"{shown(asked.recorded_uri)}: {fault}")
    values, own = asked.values, asked.values.get("model.system")
    places = {key: str(typed_path(key, values[key]).absolute()) for key in FILES if key in values}
    cells = RecordedCells(Record(asked.recorded_uri), asked.storage / "data", places, own)
    tags = cells.run(asked.cell).data.tags
    cell = cells.cell(asked.cell)
    if not cell.kind.predicts:
        fault = f"is a {cell.kind.name} and has no predictions to compare"
        raise ConfigError(f"cell={cell.id}: {fault}; name a cell that is tested on clips")
    threads = tags.get(f"{ENVIRONMENT_PREFIX}threads", "")
    per_cell = min(int(threads) if threads.isdecimal() else 1, cpu_count())
    if "resources.cpus_per_cell" in values:
        per_cell = whole_number("resources.cpus_per_cell", values["resources.cpus_per_cell"])
    gpus = 0.0 if tags.get(Tag.DEVICE) == "cpu" else None
    row = Row(cell.row, {})
    ablation = Ablation(
        name=NAME,
        source=asked.recorded_uri,
        title=f"{cell.label} anew, cell {cell.id} of {asked.recorded}",
        artefacts=(),
        section="",
        command="",
        cost="",
        claims=(),
        rows=(row,),
    )
    launch = Launch(
        arguments=("run", *asked.arguments),
        name=NAME,
        ablations=(ablation,),
        preset=tags.get(Tag.PRESET, ""),
        config=cell.config,
        models={},
        search=None,
        seeds=(cell.config.seed,),
        settle=None,
        storage=asked.storage,
        tracking_uri=record_uri(None, asked.storage),
        test_every=1,
        dry_run=boolean("dry_run", values.get("dry_run", "false")),
        stale="rerun",
        resources=Resources(cpus=None, cpus_per_cell=per_cell, gpus_per_cell=gpus),
        cluster=Cluster(address=None),
        output=output,
    )
    point = Point(row.label, {}, cell.config.seed, cell.id)
    needed = tuple({each.id: each for each in cell.with_needs}.values())
    report = Report(launch, ablation, {row.label: cell.config}, (point,), needed, None)
    return Plan(launch, (report,), current_code(own), cells.opened)
