"""Plans a cell of the record again, with those that it needs, from the parameters and tags of its run.

The id of what is planned is a hash of all that can change the result. It has to be the recorded one, so that what is
run is what was run.
"""

import ast
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from pydantic import TypeAdapter

from d3d.bench.declare.ablations import MODEL
from d3d.bench.declare.configuration import key_types, read_config
from d3d.bench.plan.cell import Cell, join_folds, make_cell, make_fusion, make_test
from d3d.bench.record.location import shown
from d3d.bench.record.schema import Tag
from d3d.bench.record.tracking import Record
from d3d.config import ADDED, Config, DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import ConfigError, RecordError
from d3d.models.registry import SYSTEMS, config_type
from d3d.text import one_line


class RecordedCells:
    """The finished cells of a record, planned again.

    Args:
        record: where they are.
        generated: the folder for generated data.
        places: `data.` and `model.` keys → where files are now, for those that have moved.
        system: a system of the user's own, `package.module:Class`, that may be imported, which runs its module.
    """

    def __init__(self, record: Record, generated: Path, places: Mapping[str, str], system: str | None = None) -> None:
        self.record = record
        self.generated = generated
        self.places = places
        self.system = system
        self.opened: dict[DataConfig, Dataset] = {}  # the datasets of the cells that have been planned

    def run(self, id: str) -> Run:
        """The finished run of a cell. Raises RecordError where there is none."""
        run = self.record.finished([id]).get(id) if id.isalnum() else None
        if run is None:
            raise RecordError(f"cell={id}: {self._absence(id)}")
        return run

    def cell(self, id: str) -> Cell:
        """A cell with those that it needs. Raises RecordError or ConfigError where it cannot be planned as it was."""
        run = self.run(id)
        tags, config = run.data.tags, self._config(id, run.data.params)
        cell = self._planned(tags.get(Tag.ROW, id), tags, config)
        if cell.data_digest != tags.get(Tag.DATA_DIGEST, cell.data_digest):
            fault = f"its data are others now: digest {cell.data_digest[:16]}, recorded {tags[Tag.DATA_DIGEST][:16]}"
            raise RecordError(f"cell={id}: {fault}; name the recorded ones, such as data.root=DIR")
        if cell.id != id:
            fault = "what another version recorded of its configuration means another computation in this one"
            raise RecordError(f"cell={id}: {fault} ({cell.id}); run it with the version that recorded it")
        return cell

    def _planned(self, row: str, tags: Mapping[str, str], config: Config) -> Cell:
        if Tag.FOLDS in tags:
            return join_folds(row, self._cells(tags[Tag.FOLDS]), config.data)
        if Tag.FUSED in tags:
            return make_fusion(row, self._cells(tags[Tag.FUSED]))
        if Tag.TRAINED in tags:
            return make_test(row, config, self.cell(tags[Tag.TRAINED]))
        if config.measurement.module is not None:
            return make_cell(row, config, None)
        return make_cell(row, config, self._dataset(config.data))

    def _cells(self, ids: str) -> list[Cell]:
        return [self.cell(id) for id in ids.split("+")]

    def _dataset(self, data: DataConfig) -> Dataset:
        if data not in self.opened:
            self.opened[data] = open_dataset(data, self.generated)
        return self.opened[data]

    def _config(self, id: str, params: Mapping[str, str]) -> Config:
        """The configuration that the parameters of a run spell, with files where they are now."""
        system = params.get("model.system", "")
        if system not in SYSTEMS and system != self.system:
            fault = f"ran model.system={system}, code of a user's own"
            raise ConfigError(f"cell={id}: {fault}; to import and run it add model.system={system}")
        kinds = {key: kind for key, kind in key_types(Config).items() if not key.startswith(f"{MODEL}.")}
        kinds |= key_types(config_type(system), f"{MODEL}.")
        try:
            values = {key: _value(text, kinds[key]) for key, text in params.items()}
        except (KeyError, ValueError) as error:
            fault = f"this version cannot read its parameters ({one_line(str(error))})"
            raise RecordError(f"cell={id}: {fault}; run it with the version that recorded it") from error
        before = {key: value for key, value in ADDED.items() if key in kinds}
        moved = {key: value for key, value in self.places.items() if key in kinds}
        return read_config(_nested(before | values | moved))

    def _absence(self, id: str) -> str:
        """Why there is no finished run of a cell, and what to do."""
        runs = self.record.cells()
        known = [run.data.tags.get(Tag.CELL, "") for run in runs]
        own = next((run for run in runs if run.data.tags.get(Tag.CELL) == id), None)
        if own and own.info.status == "FAILED":
            return f"it failed ({own.data.tags.get(Tag.REASON, 'unknown')}), so that there is nothing to reproduce"
        if own:
            return "it is not finished; `status` says how to go on with its launch"
        nearest = get_close_matches(id, known, 1)
        near = f"did you mean {nearest[0]}? " if nearest else ""
        return f"{shown(self.record.uri)} has no such cell. {near}The CSVs in tables/ list the cells of each row"


def _value(text: str, kind: Any) -> Any:
    """The value of this type that was recorded as a text. Raises ValueError where it is none."""
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(ast.literal_eval(text), strict=True)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # pydantic's error is a ValueError
        return adapter.validate_python(text, strict=True)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings that are nested as dotted keys say."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *groups, name = key.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    return tree
