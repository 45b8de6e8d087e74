"""A YAML file states an ablation of the paper; this command trains what it asks for and makes its table or figure.

    python orchestrate.py ablation=stride_grid
    python orchestrate.py --help
"""

import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from d3d.errors import ConfigError, D3DError
from experiments.catalogue import show_catalogue
from experiments.compose import Launch, compose
from experiments.environment import quiet
from experiments.machine import check_resources, check_storage, locked


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 done, 1 some cells failed, 2 a fault the user can mend, 130 interrupted."""
    if {"--help", "-h"} & set(arguments):
        show_catalogue(Console(highlight=False, markup=False))
        return 0
    try:
        launch = compose(arguments)
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


def run(launch: Launch) -> int:
    """Plan → train what is not finished → tables → summary."""
    # Imported here because they take seconds, and libraries must find the environment of `quiet`.
    import tables
    from experiments.execute import train_cells
    from experiments.plan import make_plan
    from experiments.summary import describe, summarise
    from experiments.track import finished_cells, prepare

    artefact = launch.ablation.artefact
    if artefact not in (None, *tables.ARTEFACTS):
        raise ConfigError(f"artefact={artefact}: none of {', '.join(tables.ARTEFACTS)}; leave it out to have no table")
    plan = make_plan(launch)
    print(describe(plan, finished_cells(launch.tracking_uri)), flush=True)
    if launch.dry_run:
        return 0
    with locked(launch.storage):
        record = prepare(launch.tracking_uri, launch.storage / "artifacts")
        with record.report(plan) as report:
            failed = train_cells(plan, record, Console(highlight=False))
            built = tables.Built((), (), ())
            if artefact:
                built = tables.build([artefact], launch.storage, launch.tracking_uri, plan.id)
                record.log_tables(report, built.paths)
    summarise(plan, record.finished(), failed, built.notes, built.paths)
    return 1 if failed or built.missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
