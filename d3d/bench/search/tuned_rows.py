"""What the studies of a plan have come to: the tuned cells, each row at its best settings, with every seed."""

from collections.abc import Mapping
from dataclasses import replace

from d3d.bench.declare.ablations import TUNED
from d3d.bench.plan.planning import Plan, Report, Tuned
from d3d.bench.record.schema import Point
from d3d.bench.search.study_progress import Standing


def with_tuned(plan: Plan) -> Plan:
    """The plan with the standing of its studies, and the tuned cells of those that have ended.

    Raises ConfigError where a study of that name was made over something else, RecordError where none can be read.
    """
    if not plan.studies:
        return plan
    from d3d.bench.search.study_storage import standings  # Optuna is not imported without a search

    found = standings(plan.studies, plan.launch.storage)
    return replace(plan, reports=tuple(_tuned(report, found) if report.studies else report for report in plan.reports))


def _tuned(report: Report, found: Mapping[str, Standing]) -> Report:
    points, cells = [], {}
    standings = {row: found[study.id] for row, study in report.studies.items()}
    axes = {row.label: row.settings for row in report.ablation.rows}
    asked = {row: report.seeds_of(TUNED, row) for row in report.studies}
    for seed in sorted(set().union(*asked.values())):
        for row, study in report.studies.items():
            best = standings[row].best
            if seed in asked[row] and best is not None and not standings[row].left:
                cell = study.tuned(f"{report.ablation.name}: {row}", best.settings, seed)
                cells[cell.id] = cell
                points.append(Point(row, axes[row], seed, cell.id))
    return replace(report, tuned=Tuned(standings, tuple(points), tuple(cells.values())))
