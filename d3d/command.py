"""The command of the bench: runs what an ablation declared in YAML asks for, and makes its table or figure.

    python orchestrate.py ablation=stride_grid

A first word without "=" is a subcommand; without one the command is `run`:

    run         runs an ablation, or all, and builds its tables and figures; cell=ID runs one recorded cell anew
    config      prints what the arguments of `run` mean
    check       reads a whole dataset, and says what is broken or odd
    show        draws a clip of it
    poses       estimates the joints of videos
    tables      builds tables and figures from the record again
    report      builds one page of HTML with all of them
    status      lists the launches of the record
    compare     compares two of its results
    clean       removes checkpoints that can be done without
    predict     says what a trained cell recognises in a video
    completion  prints a script with which a shell completes commands, keys and values

`--help` lists everything that can be launched. In an installation the command is called `d3d`.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from d3d.bench.run.environment import quiet, settled, unused
from d3d.bench.run.interruption import listen
from d3d.errors import ConfigError, D3DError
from d3d.redaction import redacted
from d3d.terminal import WIDTH, console, make_output_last, output_fault

if TYPE_CHECKING:
    from mlflow.entities import Run

    from d3d.bench.declare.launch import Launch, Output
    from d3d.bench.plan.planning import Plan

# All other imports are made by the functions that need them: they take seconds, and libraries must not see the
# environment variables as the user has set them.

COMMANDS = (
    *("run", "config", "check", "show", "poses", "tables", "report"),
    *("status", "compare", "clean", "predict", "completion"),
)
OUTPUTS: "dict[str, Output]" = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}


def main(arguments: Sequence[str]) -> int:
    """Runs the command. Returns the exit status: 0 done, 1 missing or broken results, 2 user error, 130 interrupted."""
    asked = dict(os.environ)
    try:
        with settled(local=False):  # `quiet` sees to the variables of a launch's own Ray
            return carry_out(arguments, asked)
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted; to continue: {program()} {shlex.join(map(redacted, arguments))}", file=sys.stderr)
        return 130


def carry_out(arguments: Sequence[str], asked: Mapping[str, str]) -> int:
    """Carries out the command. Returns the exit status; raises D3DError.

    `asked` are the environment variables as the user has set them.
    """
    output, words = split_output(arguments)
    command, rest = split_command(words)
    if output != "normal" and command != "run":
        raise ConfigError(f"{command}: prints the same with -q and -v, which are for launches; leave them out")
    if command in ("tables", "report", "status", "compare"):
        return read_record(command, rest, asked)
    if command in ("clean", "predict"):
        return use_cells(command, rest)
    if "--version" in rest:
        print(f"d3d {version('d3d')}")
        return 0
    reproduces = command == "run" and any(argument.startswith("cell=") for argument in rest)
    if reproduces:
        return reproduce(rest, asked, output)
    if {"--help", "-h"} & set(rest):
        return show_help(rest)
    if command == "config":
        return show_config(rest)
    if command == "completion":
        return show_completion(rest)
    return run(rest, asked, output) if command == "run" else inspect_data(command, rest)


def program() -> str:
    """The command as the user typed it: "d3d" or "python orchestrate.py"."""
    return "d3d" if Path(sys.argv[0]).name == "d3d" else "python orchestrate.py"


def split_output(arguments: Sequence[str]) -> "tuple[Output, Sequence[str]]":
    """How much of what a launch says is printed, and the other arguments. Raises ConfigError for both -q and -v."""
    asked: set[Output] = {OUTPUTS[argument] for argument in arguments if argument in OUTPUTS}
    if len(asked) > 1:
        raise ConfigError("-q -v: print less and print more; leave one of them out")
    return next(iter(asked), "normal"), [argument for argument in arguments if argument not in OUTPUTS]


def split_command(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The subcommand and its arguments. Raises ConfigError for an unknown subcommand."""
    if not arguments or "=" in arguments[0] or not arguments[0].isidentifier():
        return "run", arguments
    if arguments[0] not in COMMANDS:
        from d3d.bench.declare.ablations import did_you_mean, options
        from d3d.bench.declare.compose import ablation_groups

        if arguments[0] in (*options("ablation"), *ablation_groups()):
            raise ConfigError(f"{arguments[0]}: is no command; did you mean ablation={arguments[0]}?")
        near = did_you_mean(arguments[0], COMMANDS)
        raise ConfigError(f"{arguments[0]}: unknown command{near}; there are: {', '.join(COMMANDS)}")
    return arguments[0], arguments[1:]


def read_record(command: str, arguments: Sequence[str], asked: Mapping[str, str]) -> int:
    """The commands that read the record. Returns the exit status."""
    note_unused(asked, local=False)
    with quiet(local=False):
        if command == "status":
            from d3d.report.status import main as list_launches

            return list_launches(arguments)
        if command == "compare":
            from d3d.report.compare import main as compare

            return compare(arguments)
        from d3d.report.command import main as build

        return build(arguments, command)


def show_help(arguments: Sequence[str]) -> int:
    """What can be launched, or what the ablations are about that the arguments name. Returns the exit status."""
    from d3d.bench.declare.catalogue import show_ablations, show_catalogue
    from d3d.bench.declare.compose import compose

    asked = [argument for argument in arguments if argument not in ("--help", "-h")]
    if any(argument.startswith("ablation=") for argument in asked):
        show_ablations(console(least=WIDTH), compose(asked).ablations, f"{program()} config {shlex.join(asked)}")
    else:
        show_catalogue(console(least=WIDTH), program())
    return 0


def show_config(arguments: Sequence[str]) -> int:
    """The command `config`, which says what a launch's arguments mean. Returns the exit status."""
    from d3d.bench.declare.compose import compose
    from d3d.bench.declare.resolved import resolved

    print(resolved(compose(arguments), program()), end="")
    return 0


def show_completion(arguments: Sequence[str]) -> int:
    """The command `completion`, which prints a script for a shell. Returns the exit status."""
    from d3d import report
    from d3d.bench.declare.completion import completion_script

    print(completion_script(arguments, COMMANDS, report.ARTEFACTS), end="")
    return 0


def use_cells(command: str, arguments: Sequence[str]) -> int:
    """The commands `clean` and `predict`, which use the checkpoints of cells. Returns the exit status."""
    with quiet(local=False):
        if command == "clean":
            from d3d.bench.run.cleaning import run_clean

            return run_clean(arguments)
        from d3d.bench.run.answer import run_predict

        return run_predict(arguments)


def inspect_data(command: str, arguments: Sequence[str]) -> int:
    """The commands `check`, `show` and `poses`, which read data and train nothing. Returns the exit status."""
    from d3d.bench.declare.compose import compose_inspection
    from d3d.bench.plan.machine import check_storage
    from d3d.bench.run.estimation import run_poses
    from d3d.bench.run.inspection import run_check, run_show

    inspection = compose_inspection(command, arguments)
    check_storage(inspection.storage)
    if command == "poses":
        return run_poses(inspection, console(), program())
    return {"check": run_check, "show": run_show}[command](inspection, console())


def run(arguments: Sequence[str], asked: Mapping[str, str], output: "Output" = "normal") -> int:
    """The command `run`: launches, and explains a full disk and an unusable record. Returns the exit status."""
    from d3d.bench.declare.compose import compose
    from d3d.bench.plan.machine import check_resources, check_storage

    launch = replace(compose(arguments), output=output)
    check_storage(launch.storage)
    check_resources(launch)
    local = launch.cluster.address is None
    note_unused(asked, local=local)
    with quiet(local=local, verbose=output == "verbose"):
        from d3d.bench.record.access import check_answers, record_errors_explained
        from d3d.bench.run.failures import full_disk_explained

        check_answers(launch.tracking_uri)
        with full_disk_explained(), record_errors_explained(launch.tracking_uri):
            return run_launch(launch)


def note_unused(asked: Mapping[str, str], *, local: bool) -> None:
    """Notes on standard error which variables of the user's environment name a place that is not used."""
    for line in unused(asked, local=local):
        print(f"note: {line}", file=sys.stderr)


def reproduce(arguments: Sequence[str], asked: Mapping[str, str], output: "Output") -> int:
    """The command `run cell=ID`: runs a cell of a record anew, and compares. Returns the exit status."""
    from d3d.bench.declare.usages import REPRODUCE
    from d3d.bench.plan.machine import check_resources, check_storage
    from d3d.bench.run.reproduction import asked_reproduction, plan_reproduction

    if {"--help", "-h"} & set(arguments):
        print(REPRODUCE)
        return 0
    wanted = asked_reproduction(arguments)
    check_storage(wanted.storage)
    note_unused(asked, local=True)
    with quiet(local=True, verbose=output == "verbose"):
        from d3d.bench.record.access import check_answers, record_errors_explained
        from d3d.bench.run.failures import full_disk_explained
        from d3d.bench.run.launch_log import LAUNCH, RESULT
        from d3d.report.contrast.reproduced import reproduced
        from d3d.report.record import Record

        def conclude() -> int:
            recorded = Record(wanted.recorded, wanted.recorded_uri)
            found = reproduced(wanted.cell, recorded, Record(wanted.storage))
            for line in found.lines:
                LAUNCH.log(RESULT, line)
            return 0 if found.same else 1

        check_answers(wanted.recorded_uri)
        with full_disk_explained(), record_errors_explained(wanted.recorded_uri):
            plan = plan_reproduction(wanted, output)
            check_resources(plan.launch)
            return run_plan(plan, conclude)


def run_launch(launch: "Launch") -> int:
    """Plans a launch, and runs its plan. Returns the exit status."""
    from d3d import report
    from d3d.bench.plan.planning import make_plan
    from d3d.bench.search.tuned_rows import with_tuned_rows

    check_artefacts(launch, report.ARTEFACTS)
    return run_plan(at_next_look(with_tuned_rows(make_plan(launch))))


def run_plan(plan: "Plan", conclude: Callable[[], int] = lambda: 0) -> int:
    """Says what a plan is and, unless it is a dry run, carries it out. Returns the exit status.

    `conclude` is called once all has been run that was to be run; it returns the exit status.
    """
    from d3d.bench.plan.machine import locked
    from d3d.bench.record.tracking import finished_cells
    from d3d.bench.run.launch_log import LAUNCH, logged

    launch, finished = plan.launch, finished_cells(plan)
    if launch.dry_run:
        say_plan(plan, finished)
        for line in seeds_needed(plan):
            LAUNCH.info(line)
        return 0
    with locked(launch.storage), logged(launch, f"{program()} {shlex.join(launch.arguments)}"):
        say_plan(plan, finished)
        return carry_out_plan(plan, finished) or conclude()


def say_plan(plan: "Plan", finished: "Mapping[str, Run]") -> None:
    """Says what is asked for, how much of it is finished, what the rest costs, and what is doubtful about it."""
    from d3d.bench.record.tracking import timed_cells
    from d3d.bench.run.launch_log import LAUNCH
    from d3d.bench.run.summary import describe, doubts

    known = {**timed_cells(plan), **finished}
    LAUNCH.info(describe(plan, known))
    for line in doubts(plan, known):
        LAUNCH.warning(line)


def carry_out_plan(plan: "Plan", finished: "Mapping[str, Run]") -> int:
    """Runs a plan's unfinished cells and trials, builds its tables and says a summary.

    With `seeds=settle`, running is repeated as long as open claims need more seeds. Returns the exit status.
    """
    from d3d import report
    from d3d.bench.record.tracking import finished_cells
    from d3d.bench.run.execute import execute
    from d3d.bench.run.summary import summarise
    from d3d.report.published import published

    launch = plan.launch
    shown = console(live=launch.output == "normal")
    done = execute(plan, finished, shown)
    ended = done.ended
    while (grown := at_next_look(done.plan)) is not done.plan and not ended.failed:
        done = execute(grown, finished_cells(grown), shown)
        ended |= done.ended
    plan = done.plan
    built = report.Built({}, (), ())
    if plan.artefacts:
        split, own = launch.config.data.split, [each.id for each in plan.reports]
        built = report.build(plan.artefacts, launch.storage, launch.tracking_uri, split=split, own=own)
        done.record.log_tables(plan, built.files, {each.artefact: each.outcomes for each in reversed(built.verdicts)})
    said = [*(f"missing: {line}" for line in built.missing), *(f"note: {line}" for line in built.notes)]
    printed = {label: row.value for name in plan.artefacts for label, row in published(name).rows.items()}
    summarise(plan, done.finished, ended, [*said, *map(str, built.verdicts)], built.files, built.latest, printed)
    return 1 if ended.failed or built.missing or plan.untuned else 0


def at_next_look(plan: "Plan") -> "Plan":
    """With `seeds=settle`, the plan with the seeds that open claims need next; the same plan if none needs more."""
    from d3d import report
    from d3d.bench.plan.planning import with_seeds
    from d3d.bench.record.tracking import recorded
    from d3d.bench.search.tuned_rows import with_tuned_rows

    launch = plan.launch
    if not launch.settle:
        return plan
    wanted = {
        each.ablation.name: report.seeds_wanted(launch.storage, launch.tracking_uri, each.id) for each in recorded(plan)
    }
    grown = with_tuned_rows(with_seeds(plan, wanted))
    return grown if len(grown.cells) > len(plan.cells) else plan


def seeds_needed(plan: "Plan") -> list[str]:
    """A line for each open claim of the launch in the record: how many seeds would settle it."""
    from d3d import report
    from d3d.bench.record.tracking import recorded

    launch = plan.launch
    found = [report.seeds_needed(launch.storage, launch.tracking_uri, each.id) for each in recorded(plan)]
    return [line for lines in found for line in lines]


def check_artefacts(launch: "Launch", known: Iterable[str]) -> None:
    """Raises ConfigError if an ablation names an artefact that does not exist or that its rows cannot make."""
    from d3d.bench.declare.ablations import did_you_mean
    from d3d.report.artefacts.registry import artefact_of, misfit

    for ablation in launch.ablations:
        for name in ablation.artefacts:
            if name not in (*known, ablation.name):
                fault = f"{ablation.source}: artefact {name}: unknown artefact{did_you_mean(name, known)}"
                way_out = f"leave it out to get {ablation.name}, a table of the rows"
                raise ConfigError(f"{fault}; {way_out}; there are: {', '.join(known)}")
            module = launch.config.measurement.module
            rows = {row.label: {"measurement.module": module, **row.settings} for row in ablation.rows}
            if reason := misfit(artefact_of(name, ablation.title), rows):
                raise ConfigError(f"{ablation.source}: artefact {name}: {reason}")


def entry() -> None:
    """The entry point of the process: the command, whose output lasts and which signals end in order."""
    make_output_last()
    listen()
    status = main(sys.argv[1:])
    if fault := output_fault():
        print(f"error: a part of the output is lost ({fault.strerror}); run the same command again", file=sys.stderr)
        status = status or 2
    sys.exit(status)
