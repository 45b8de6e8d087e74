"""Tuned rows: adds to a plan each row again with the best settings that its study found, once for each seed."""

from collections.abc import Mapping
from dataclasses import replace

from d3d.bench.declare.ablations import TUNED
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan, Report, Tuned
from d3d.bench.record.schema import Point
from d3d.bench.search.study_progress import StudyProgress


def with_tuned_rows(plan: Plan) -> Plan:
    """The plan with the progress of its studies, and with the tuned cells of the studies that are complete.

    Raises ConfigError if the database has a study of the same name with another definition, RecordError if the
    database cannot be used.
    """
    if not plan.studies:
        return plan
    from d3d.bench.search.study_storage import progress_of_studies  # imports Optuna, which only a search needs

    progress = progress_of_studies(plan.studies, plan.launch.storage)
    reports = (_with_tuned(report, progress) if report.studies else report for report in plan.reports)
    return replace(plan, reports=tuple(reports))


def _with_tuned(report: Report, by_study: Mapping[str, StudyProgress]) -> Report:
    points: list[Point] = []
    cells: dict[str, Cell] = {}
    progress = {row: by_study[study.id] for row, study in report.studies.items()}
    axes = {row.label: row.settings for row in report.ablation.rows}
    seeds = {row: report.seeds_of(TUNED, row) for row in report.studies}
    for seed in sorted(set().union(*seeds.values())):
        for row, study in report.studies.items():
            best = progress[row].best
            if seed in seeds[row] and best is not None and not progress[row].left:
                cell = study.tuned_cell(f"{report.ablation.name}: {row}", best.settings, seed)
                cells |= {each.id: each for each in cell.with_needs}
                points.append(Point(row, axes[row], seed, cell.id))
    return replace(report, tuned=Tuned(progress, tuple(points), tuple(cells.values())))
