"""A YAML file states an ablation of the paper; this command runs what it asks for and makes its table or figure.

    python orchestrate.py ablation=stride_grid
    python orchestrate.py ablation=all
    python orchestrate.py check data=penn_action data.root=DIR
    python orchestrate.py show clip=0001 data=penn_action data.root=DIR

A bare first word is a command, none is `run`: `check` reads a whole dataset, `show` draws one of its clips.
`--help` lists what there is.
"""

import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from d3d.errors import ConfigError, D3DError
from experiments.catalogue import show_catalogue
from experiments.compose import Launch, compose, compose_inspection
from experiments.declarations import did_you_mean
from experiments.environment import quiet
from experiments.machine import check_resources, check_storage, locked

if TYPE_CHECKING:
    from experiments.plan import Plan

COMMANDS = ("run", "check", "show")


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 done, 1 something is missing or broken, 2 a fault the user can mend, 130 interrupted."""
    if {"--help", "-h"} & set(arguments):
        show_catalogue(Console(highlight=False, markup=False))
        return 0
    try:
        command, rest = split_command(arguments)
        if command != "run":
            return look(command, rest)
        launch = compose(rest)
        check_storage(launch.storage)
        check_resources(launch)
        with quiet(local=launch.cluster.address is None):
            return run(launch)
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted; to continue: python orchestrate.py {shlex.join(arguments)}", file=sys.stderr)
        return 130


def split_command(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command and what follows it. Raises ConfigError for a command there is not."""
    if not arguments or "=" in arguments[0] or not arguments[0].isidentifier():
        return "run", arguments
    if arguments[0] not in COMMANDS:
        near = did_you_mean(arguments[0], COMMANDS)
        raise ConfigError(f"{arguments[0]}: unknown command{near}; there are: {', '.join(COMMANDS)}")
    return arguments[0], arguments[1:]


def look(command: str, arguments: Sequence[str]) -> int:
    """Looks at data, and launches nothing."""
    from experiments.inspect import run_check, run_show  # as in `run`

    inspection = compose_inspection(command, arguments)
    check_storage(inspection.storage)
    return {"check": run_check, "show": run_show}[command](inspection, Console(highlight=False, markup=False))


def run(launch: Launch) -> int:
    """Carries out a launch, which a full disk stops."""
    # Imported here because they take seconds, and libraries must find the environment of `quiet`.
    from experiments.failures import full_disk_explained

    with full_disk_explained():
        return carry_out(launch)


def carry_out(launch: Launch) -> int:
    """Plan → run, and search, what is not finished, as long as claims want more seeds → tables → summary."""
    import tables  # as in `run`
    from experiments.execute import execute
    from experiments.plan import make_plan
    from experiments.summary import describe, summarise
    from experiments.track import finished_cells, timed_cells
    from experiments.tuned import with_tuned

    check_artefacts(launch, tables.ARTEFACTS)
    plan = at_next_look(with_tuned(make_plan(launch)))
    print(describe(plan, timed_cells(plan) | finished_cells(plan)), flush=True)
    if launch.dry_run:
        for line in seeds_needed(plan):
            print(line)
        return 0
    with locked(launch.storage):
        plan, record, ended = execute(plan, Console(highlight=False))
        while (grown := at_next_look(plan)) is not plan and not ended.failed:
            plan, record, more = execute(grown, Console(highlight=False))
            ended |= more
        built = tables.Built((), (), ())
        if plan.artefacts:
            split = launch.config.data.split
            built = tables.build(plan.artefacts, launch.storage, launch.tracking_uri, split=split)
            record.log_tables(plan, built.paths)
    said = [*(f"missing: {line}" for line in built.missing), *(f"note: {line}" for line in built.notes)]
    summarise(plan, finished_cells(plan), ended, [*said, *map(str, built.verdicts)], built.paths, built.latest)
    return 1 if ended.failed or built.missing or plan.untuned else 0


def at_next_look(plan: "Plan") -> "Plan":
    """The plan with the seeds that open claims of `seeds=settle` want, as the record has them; itself where none do."""
    import tables  # as in `run`
    from experiments.plan import with_seeds
    from experiments.track import recorded
    from experiments.tuned import with_tuned

    launch = plan.launch
    if not launch.settle:
        return plan
    wanted = {
        report.ablation.name: tables.seeds_wanted(launch.storage, launch.tracking_uri, report.id)
        for report in recorded(plan)
    }
    grown = with_tuned(with_seeds(plan, wanted))
    return grown if len(grown.cells) > len(plan.cells) else plan


def seeds_needed(plan: "Plan") -> list[str]:
    """How many seeds each open claim would need, of what the record has of the launch."""
    import tables  # as in `run`
    from experiments.track import recorded

    launch = plan.launch
    found = [tables.seeds_needed(launch.storage, launch.tracking_uri, report.id) for report in recorded(plan)]
    return [line for lines in found for line in lines]


def check_artefacts(launch: Launch, known: Iterable[str]) -> None:
    """Raises ConfigError where an ablation asks for a table or figure that nobody makes, or none of its rows can be."""
    from tables.artefacts import artefact_of, misfit

    for ablation in launch.ablations:
        for name in ablation.artefacts:
            if name not in (*known, ablation.name):
                fault = f"{ablation.source}: artefact {name}: nobody makes it{did_you_mean(name, known)}"
                way_out = f"leave it out to have {ablation.name}, the table of its rows"
                raise ConfigError(f"{fault}; {way_out}; there are: {', '.join(known)}")
            module = launch.config.measurement.module
            rows = {row.label: {"measurement.module": module, **row.settings} for row in ablation.rows}
            if reason := misfit(artefact_of(name, ablation.title), rows):
                raise ConfigError(f"{ablation.source}: artefact {name}: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
