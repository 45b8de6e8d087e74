"""The cells of an ablation's rows: of a configuration, of each of its folds, and of a mean or a fusion of others."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from d3d.bench.declare.ablations import Ablation, Row
from d3d.bench.declare.launch import Launch
from d3d.bench.kinds.registry import PRETRAINING
from d3d.bench.plan.cell import Cell, join_folds, make_cell, make_fusion
from d3d.config import Config, DataConfig
from d3d.data.clip import Dataset
from d3d.errors import ConfigError

Configs = Mapping[str, Config]  # row → what it is trained and tested with, but for the seed
Datasets = Mapping[DataConfig, Dataset]


def row_cell(ablation: Ablation, configs: Configs, row: Row, seed: int, datasets: Datasets) -> Cell:
    """The cell of a row of an ablation with a seed. Raises ConfigError where the row can have none."""
    cells = _fold_cells(ablation, configs, row, seed, datasets)
    return _joined(f"{ablation.name}: {row.label}", configs[row.label], cells)


def ids_of(launch: Launch, ablation: Ablation, datasets: Datasets) -> set[str]:
    """The ids of the cells that an ablation asks for on open datasets, of rows that the launch can configure."""
    ids = set()
    for row in ablation.rows:
        with suppress(ConfigError):  # an override of this launch may contradict a row of that ablation
            config = launch.configure(row)
            if not row.fuse and (config.measurement.module or datasets.keys() >= set(config.data.each_fold)):
                cells = [cell_of("", replace(config, seed=seed), datasets) for seed in launch.seeds]
                ids |= {each.id for cell in cells for each in cell.with_needs}
    return ids


def _fold_cells(ablation: Ablation, configs: Configs, row: Row, seed: int, datasets: Datasets) -> list[Cell]:
    """The cells of a row with a seed, one for each fold. Raises ConfigError where the row can have none."""
    name = f"{ablation.name}: {row.label}"
    if not row.fuse:
        cells = _cells(name, replace(configs[row.label], seed=seed), datasets)
        if cells[0].kind is PRETRAINING:
            fault = f"model.system={cells[0].config.model.system}: learns without labels and has no top-1"
            raise ConfigError(f"{fault}; name a system that starts from it ({ablation.source}, row {row.label})")
        return cells
    rows = {each.label: each for each in ablation.rows}
    parts = [_fold_cells(ablation, configs, rows[label], seed, datasets) for label in row.fuse]
    for part, label in zip(parts, row.fuse, strict=True):
        if not (part[0].kind.predicts and part[0].kind.random):
            fault = f"a {part[0].kind.name} has no probabilities; name rows that are trained or tested"
            raise ConfigError(f"{ablation.source}: row {row.label}: fuse: {label}: {fault}")
        if [cell.data_digest for cell in part] != [cell.data_digest for cell in parts[0]]:
            fault = f"it was tested on other clips than {row.fuse[0]}; fuse rows of one dataset"
            raise ConfigError(f"{ablation.source}: row {row.label}: fuse: {label}: {fault}")
    names = _names(name, configs[row.label], len(parts[0]))
    return [make_fusion(each, cells) for each, cells in zip(names, zip(*parts, strict=True), strict=True)]


def cell_of(label: str, config: Config, datasets: Datasets) -> Cell:
    """The cell of a configuration: that of its fold, or what joins those of its folds."""
    return _joined(label, config, _cells(label, config, datasets))


def _cells(label: str, config: Config, datasets: Datasets) -> list[Cell]:
    """The cells of a configuration, one for each fold."""
    if config.measurement.module is not None:
        return [make_cell(label, config, None)]
    folds = config.data.each_fold
    names = _names(label, config, len(folds))
    return [
        make_cell(name, replace(config, data=data), datasets[data]) for name, data in zip(names, folds, strict=True)
    ]


def _joined(label: str, config: Config, cells: Sequence[Cell]) -> Cell:
    return cells[0] if len(cells) == 1 else join_folds(label, cells, config.data)


def _names(label: str, config: Config, cells: int) -> list[str]:
    """The names of this number of cells of a row, each with its fold where there are several."""
    return [label] if cells == 1 else [f"{label}, fold {number}" for number in config.data.folds]
