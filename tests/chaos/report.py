"""The summary of a storm, as Markdown."""

import re
from collections.abc import Sequence

from tests.chaos.evidence import Evidence, differences
from tests.chaos.storm import KINDS, Dealt, Storm

NAMES = {
    "driver": "the driver, started again at once",
    "worker": "a Ray worker at work",
    "node": "the raylet of the second node, away for 5 s",
    "server": "the MLflow server, away for 20 s",
}


PLACE = re.compile(r"(?<=<!-- chaos -->\n).*?(?=<!-- end -->)", re.DOTALL)


def insert(document: str, text: str) -> str:
    """The document with the summary in its place, between two comments."""
    return PLACE.sub(lambda _: f"\n{text}\n\n", document)


def summary(
    command: str, grid: Sequence[str], storm: Storm, minutes: float, disturbed: Evidence, undisturbed: Evidence
) -> str:
    """Two tables: the kills by kind, and what the launch had recorded at the end."""
    lines = [
        f"`{command}`, on `{' '.join(grid)}`:",
        "",
        "| SIGKILL to | times | cells hit | work lost, at most |",
        "|---|---:|---:|---:|",
    ]
    for kind in KINDS:
        lines.append(_row(NAMES[kind], [dealt for dealt in storm.dealt if dealt.kind == kind], disturbed.epoch))
    lines += [_row("all", storm.dealt, disturbed.epoch), ""]
    cells = disturbed.statuses
    finished = sum(statuses.count("FINISHED") == 1 for statuses in cells.values())
    running = sum(status == "RUNNING" for statuses in [*cells.values(), disturbed.reports] for status in statuses)
    entries = sum(len(steps) for metrics in disturbed.steps.values() for steps in metrics.values())
    differing = differences(disturbed, undisturbed)
    rows = {
        "minutes it took": f"{minutes:.0f}",
        "launches of the one command": storm.launches,
        "of them ended unfinished by themselves": len(storm.ends),
        "cells, and those FINISHED exactly once": f"{len(cells)}, {finished}",
        "runs left RUNNING": running,
        "epochs; entries of all metrics": f"{disturbed.epochs}; {entries}",
        "entries that are missing or twice": len(disturbed.faults()),
        "checkpoints that went back": len(storm.backwards),
        "artefacts compared with the undisturbed run's": len(undisturbed.artefacts),
        "of them not byte-identical": len(differing),
    }
    lines += ["| afterwards | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join(lines)


def _row(name: str, dealt: list[Dealt], epoch: float) -> str:
    lost = [each.lost for each in dealt]
    epochs = sum(min(1.0, seconds / epoch) if seconds is not None else 1.0 for one in lost for seconds in one.values())
    return f"| {name} | {len(dealt)} | {sum(map(len, lost))} | {epochs:.1f} epochs |"
