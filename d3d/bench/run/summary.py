"""What a launch prints before it runs, and at the end."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from types import MappingProxyType

from mlflow.entities import Run
from rich.table import Column, Table
from rich.text import Text

from d3d.bench.declare.ablations import RECIPE, TUNED, Value
from d3d.bench.declare.claims import Best, parse_claim
from d3d.bench.declare.looks import looks_until
from d3d.bench.kinds.registry import KINDS
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.estimate import estimate
from d3d.bench.plan.planning import Plan, Report, Seeds, with_seeds
from d3d.bench.record.location import checkpoints, shown
from d3d.bench.record.schema import Metric, Point
from d3d.bench.run.failures import NAMES, Failure
from d3d.bench.run.launch_log import LAUNCH, RESULT
from d3d.bench.run.progress import Ended
from d3d.bench.search.study_progress import StudyProgress
from d3d.prediction import PARTS
from d3d.terminal import rendered
from d3d.text import printable
from d3d.training.checkpoint import finished_epochs

MOST_CONTINUED = 8  # cells that are named which go on from a checkpoint
_STALE = {
    "keep": "they are kept (stale=rerun runs them again)",
    "rerun": "they are run again (stale=keep keeps them)",
}
OF_PARTS = {part: Metric(f"{part}_top1") for part in PARTS}


def describe(plan: Plan, finished: Mapping[str, Run]) -> str:
    """The plan in a few lines: what is asked for, how much of it is finished, and what the rest costs.

    `finished` are the finished runs of the record, by id of the cell.
    """
    launch = plan.launch
    finished = plan.counted(finished)
    seeds = ", ".join(map(str, launch.seeds))
    if launch.settle:
        seeds += f", and up to {launch.settle} of a row until its claims are settled"
    setting = f"preset {launch.preset}; data {launch.data}; seeds {seeds}; storage {launch.storage}"
    points = [point for report in plan.reports for point in report.points]
    cells = {cell.id: cell for report in plan.reports for cell in report.cells}
    total = ", ".join([*_counts(points, [*cells.values()], finished), *_shared(plan)])
    if len(plan.reports) == 1:
        lines = [f"{launch.name}: {launch.ablations[0].title}", setting, total]
    else:
        width = max(len(report.ablation.name) for report in plan.reports)
        each = [
            f"  {report.ablation.name:<{width}}  {', '.join(_counts(report.points, report.cells, finished))}"
            for report in plan.reports
        ]
        lines = [f"{launch.name}: {len(plan.reports)} ablations", setting, *each, f"  {'in all':<{width}}  {total}"]
    todo = plan.unfinished(finished)
    if todo:
        lines += [_work(plan, todo, finished), *_continued(plan, todo)]
    if plan.study_progress:
        lines.append(_search(plan, finished))
    return "\n".join([*lines, *_looks(plan, finished)])


def doubts(plan: Plan, finished: Mapping[str, Run]) -> list[str]:
    """What should be known of the plan's data and of its finished cells, a line each; `finished` as in `describe`."""
    lines = [f"note: {remark}" for remark in plan.remarks]
    if stale := plan.stale(finished):
        recorded = sum(cell.id in finished for cell in plan.cells)
        fault = f"{len(stale)} of {recorded} finished cells were made by other code"
        lines.append(f"{fault}; {_STALE[plan.launch.stale]}")
    return lines


def _continued(plan: Plan, todo: Sequence[Cell]) -> Iterator[str]:
    """Which trainings go on from a checkpoint; with stale=rerun that depends on the code that wrote it."""
    folder = checkpoints(plan.launch.storage)
    done = [(cell, finished_epochs(folder / cell.id, cell.config)) for cell in todo if not plan.continued]
    begun = [(cell, epochs) for cell, epochs in done if 0 < epochs < cell.epochs]
    for cell, epochs in begun[:MOST_CONTINUED]:
        yield f"goes on after epoch {epochs} of {cell.epochs}: {cell.label}"
    if len(begun) > MOST_CONTINUED:
        yield f"so do {len(begun) - MOST_CONTINUED} others, each after the last epoch of its checkpoint"


def _looks(plan: Plan, finished: Mapping[str, Run]) -> Iterator[str]:
    """The most that each further look of `seeds=settle` can cost: as if every open claim stayed open."""
    known = {cell.id for cell in plan.cells}
    for look in looks_until(plan.launch.settle)[1:] if plan.launch.settle else ():
        grown = with_seeds(plan, {report.ablation.name: _claimed(report, look.seeds) for report in plan.reports})
        more = [cell for cell in grown.cells if cell.id not in known and cell.kind.trains]
        known |= {cell.id for cell in more}
        if more:
            cost = estimate(plan, finished, more)
            yield f"while claims are open, {look.seeds} seeds: at most {len(more)} more to train: {cost}"


def _claimed(report: Report, seeds: int) -> Seeds:
    """This many seeds of every row that a claim is about, and never fewer than the row has.

    A claim about two rows that are the same computation needs no seeds: it cannot be tested.
    """
    computed: dict[str, set[str]] = {}
    for point in report.points:
        computed.setdefault(point.row, set()).add(point.cell)
    claims = [
        claim
        for claim in map(parse_claim, report.ablation.claims)
        if all(isinstance(part, Best) or computed[part.left] != computed[part.right] for part in claim.parts)
    ]
    rows = [row.label for row in report.ablation.rows if any(claim.concerns(row.label) for claim in claims)]
    return {RECIPE: {row: max(seeds, len(report.seeds_of(RECIPE, row))) for row in rows}}


def _search(plan: Plan, finished: Mapping[str, Run]) -> str:
    """The finished trials, those to run, and how long they take."""
    search, progress = plan.launch.search, plan.study_progress
    assert search
    trials, studies = sum(each.trials for each in progress.values()), len(progress)
    noun = "study" if studies == 1 else "studies"
    line = f"search {search.name}: {studies} {noun} of {search.trials} trials, {trials} done"
    if not plan.trials_left:
        return line
    cells = [study.trial_cell(0, {}) for study in plan.studies for _ in range(progress[study.id].left)]
    pruned = "" if search.pruner == "none" else "at most "
    tuned = sum(len(report.studies) for report in plan.reports) * len(plan.launch.seeds)
    line += f", {len(cells)} to run: {pruned}{estimate(plan, finished, cells)}"
    return f"{line}\nthen at most {tuned} training{'s' * (tuned != 1)} with the settings they find"


def _counts(points: Sequence[Point], cells: Sequence[Cell], finished: Collection[str]) -> list[str]:
    return [
        f"{len(points)} point{'s' * (len(points) != 1)}",
        f"{len(cells)} distinct cell{'s' * (len(cells) != 1)}",
        f"{sum(cell.id in finished for cell in cells)} finished",
    ]


def _shared(plan: Plan) -> list[str]:
    """How many cells other ablations share; those that share equally many are named together, or counted."""
    groups: dict[int, list[str]] = {}
    for name, count in plan.shared.items():
        groups.setdefault(count, []).append(name)
    return [
        f"{count} shared with {' and '.join(names) if len(names) < 3 else f'{len(names)} other ablations'}"
        for count, names in groups.items()
    ]


def _work(plan: Plan, todo: Sequence[Cell], finished: Mapping[str, Run]) -> str:
    """The number of cells of each kind to run, and how long the trainings take."""
    counts = Counter(cell.kind for cell in todo)
    line = ", ".join(f"{counts[kind]} to {kind.verb}" for kind in KINDS if counts[kind])
    again = sum(cell.id in finished for cell in todo)
    if again:
        line += f" ({again} of them once more: weights that another cell needs are gone or damaged)"
    trainings = [cell for cell in todo if cell.kind.trains]
    return f"{line}: {estimate(plan, finished, trainings)}" if trainings else line


def summarise(
    plan: Plan,
    finished: Mapping[str, Run],
    ended: Ended,
    doubts: Sequence[str],
    files: Mapping[str, Sequence[Path]],
    latest: Sequence[Path] = (),
    published: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Says top-1 where one ablation was launched, searches, failures, doubts, and where everything is.

    Args:
        plan: of the launch.
        finished: the finished runs of the record, by id of the cell.
        ended: what happened to the cells.
        doubts: lines about the tables and figures.
        files: artefact → the files of that table or figure.
        latest: copies of those that are complete.
        published: the top-1 in percent that a paper prints, by row.
    """
    lines = [*(_table_of_top1(plan.reports[0], finished, published) if len(plan.reports) == 1 else ())]
    lines += [_outcome(study.label, plan.study_progress[study.id]) for study in plan.studies]
    lines += map(printable, (*ended.notices, *_failures(plan, ended.failed), *doubts))
    for artefact, own in files.items():
        lines.append(", ".join([str(own[0]), *(path.name.removeprefix(artefact) for path in own[1:])]))
    if latest:
        lines.append(f"complete tables and figures, under fixed names: {latest[0].parent}")
    for line in (*lines, shown(plan.launch.tracking_uri)):
        LAUNCH.log(RESULT, line)


def _failures(plan: Plan, failed: Mapping[str, Failure]) -> Iterator[str]:
    """The failed cells by kind of failure, and the commands that try them again and leave finished cells alone."""
    for kind, name in NAMES.items():
        own = [cell for cell in plan.cells if cell.id in failed and failed[cell.id].kind == kind]
        if own:
            yield f"failed, {name}: {len(own)} cell{'s' * (len(own) != 1)}"
        for cell in own:
            yield f"  {cell.label} ({cell.id}): {failed[cell.id].reason}"
    for report in plan.reports:
        if any(cell.id in failed for cell in report.all_cells):
            yield f"to try again what failed, and nothing else: {report.command}"


def _outcome(label: str, progress: StudyProgress) -> str:
    """The result of a study in one line."""
    ended = f"{progress.trials} trials ({progress.pruned} pruned, {progress.failed} failed), {progress.epochs} epochs"
    best = progress.best
    if best is None:
        return f"search, {label}: {ended}, none complete"
    settings = ", ".join(f"{key.partition('.')[2]} {_short(value)}" for key, value in best.settings.items())
    return f"search, {label}: {ended}, best {100 * best.top1:.2f} % on the validation split: {settings}"


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table_of_top1(report: Report, finished: Mapping[str, Run], published: Mapping[str, float]) -> list[str]:
    """Top-1 over seeds: a grid of means where the ablation has two axes, otherwise a line for each row."""
    silent = {cell.id for cell in report.cells if not cell.kind.predicts}
    points = [point for point in report.points if point.cell not in silent]
    if not points:
        return []
    tuned = report.tuned.points if report.tuned else ()
    axes = report.ablation.axes
    if len(axes) == 2 and all(point.axes.keys() == set(axes) for point in points):
        down, across = (axis.rpartition(".")[2].replace("_", " ") for axis in axes)
        heading = f"top-1 in %, {down} × {across}; * the best {across} of each {down}"
        return [heading, rendered(_grid(points, finished, *axes))]
    several = len({point.seed for point in points}) > 1
    heading = f"top-1 in %{', mean ± standard deviation over seeds' * several}"
    return [heading, rendered(_rows(points, tuned, finished, published))]


def _grid(points: Sequence[Point], finished: Mapping[str, Run], down: str, across: str) -> Table:
    """One axis down and the other across; the best of each row is marked."""
    columns = _values(points, across)
    table = Table(Column(overflow="fold"))
    for value in columns:
        table.add_column(str(value), justify="right", overflow="fold")
    for value in _values(points, down):
        asked = {other: [p for p in points if p.axes == {down: value, across: other}] for other in columns}
        means = {other: _mean(here, finished) for other, here in asked.items() if here}
        best = max((mean for mean in means.values() if mean is not None), default=None)
        table.add_row(str(value), *(_entry(means[other], best) if other in means else "" for other in columns))
    return table


def _rows(
    points: Sequence[Point], tuned: Sequence[Point], finished: Mapping[str, Run], published: Mapping[str, float]
) -> Table:
    """A line for each row: its top-1, that of each part that the labels have, and that of its tuned cells."""
    recorded = {metric for point in points if point.cell in finished for metric in finished[point.cell].data.metrics}
    columns = [(RECIPE if tuned else "measured", points, Metric.TOP1)]
    columns += [(part, points, metric) for part, metric in OF_PARTS.items() if metric in recorded]
    columns += [(TUNED, tuned, Metric.TOP1)] if tuned else []
    headings = ["", *(["published"] if published else []), *(heading for heading, *_ in columns)]
    table = Table(*(Column(heading, overflow="fold", justify="right" if heading else "left") for heading in headings))
    for row in dict.fromkeys(point.row for point in points):
        printed = [f"{published[row]:.1f}" if row in published else ""] if published else []
        own = (_accuracies([p for p in asked if p.row == row], finished, metric) for _, asked, metric in columns)
        table.add_row(row, *printed, *map(_spread, own))
    return table


def _entry(mean: float | None, best: float | None) -> Text:
    if mean is None:
        return Text("–")
    return Text(f"*{100 * mean:.2f}", "bold") if mean == best else Text(f"{100 * mean:.2f}")


def _spread(values: Sequence[float]) -> str:
    """Mean and, of several seeds, standard deviation."""
    if not values:
        return "–"
    spread = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{spread}"


def _mean(points: Iterable[Point], finished: Mapping[str, Run]) -> float | None:
    """The mean top-1 of these points, a fraction; None where one is not finished."""
    values = _accuracies(points, finished, Metric.TOP1)
    return fmean(values) if values else None


def _accuracies(points: Iterable[Point], finished: Mapping[str, Run], metric: Metric) -> list[float]:
    """An accuracy of the cells of these points, fractions; none where one is not finished or has no such metric."""
    cells = dict.fromkeys(point.cell for point in points)
    recorded = [finished[cell].data.metrics for cell in cells if cell in finished]
    values = [metrics[metric] for metrics in recorded if metric in metrics]
    return values if len(values) == len(cells) else []


def _values(points: Iterable[Point], axis: str) -> list[Value]:
    return list(dict.fromkeys(point.axes[axis] for point in points))
