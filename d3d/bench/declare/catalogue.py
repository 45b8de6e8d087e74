"""Prints `--help`: what can be launched, what it makes and what it costs."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from d3d.bench.declare.ablations import SECTIONS, Ablation, Row, ablations, choices
from d3d.bench.declare.compose import ALL, ablation_groups
from d3d.bench.declare.searches import searches

ALL_COST = "twenty minutes with preset=quick on 2 cores"
EXAMPLES = {
    "ablation=stride_grid": "Figure 7a on synthetic data, in minutes on a laptop",
    "ablation=all preset=small seeds=3 dry_run=true": "what everything costs",
    "ablation=stride_grid data=penn_action data.root=DIR data.frames=rendered": "on the motion of real people",
    "ablation=modules search=optuna search.trials=12": "each row also with tuned settings",
}
KEYS = {
    "seeds=3, seeds=[0,4]": "how many seeds, or which",
    "seeds=settle seeds.most=8": "three, then more for rows whose claims are open, up to seeds.most (default 20)",
    "storage=DIR": "folder for everything that a launch writes; default results/",
    "dry_run=true": "prints the plan and starts nothing",
    "stale=rerun": "runs finished cells again if other code made them; keep, the default, keeps them and says so",
    "search.trials=12": "another number of trials; also search.pruner, search.seed, search.name",
    "resources.cpus=2": "CPUs to use; also resources.cpus_per_cell, resources.gpus_per_cell",
    "cluster.address=auto": "a running Ray cluster instead of this machine",
    "tracking.uri=URI": "an MLflow server instead of DIR/mlflow.db",
    "tracking.test_every=5": "test a training after every fifth epoch and the last, which takes less time",
    "model.KEY, data.KEY, training.KEY, ...": "every key in d3d/config.py",
}


def show_catalogue(console: Console, program: str) -> None:
    """Prints the help; `program` is the command as the user typed it."""
    console.print(f"usage: {program} ablation=NAME|FILE|all [search=NAME|FILE] [preset=NAME] [data=NAME]")
    console.print(f"       {' ' * len(program)} [KEY=VALUE ...]")
    console.print(f"       {program} run cell=ID [KEY=VALUE ...]")
    console.print(f"       {program} config ablation=NAME|FILE|all [KEY=VALUE ...]")
    console.print(f"       {program} check data=NAME [data.root=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} show clip=ID data=NAME [data.root=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} poses data.root=VIDEOS poses.models=DIR [KEY=VALUE ...]")
    console.print(f"       {program} tables|report [ARTEFACT ...] [storage=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} status [storage=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} compare A B [storage=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} clean storage=DIR [KEY=VALUE ...]")
    console.print(f"       {program} predict cell=ID video=FILE [storage=DIR] [KEY=VALUE ...]")
    console.print(f"       {program} completion bash|zsh\n")
    console.print("Runs the unfinished cells of an ablation of the paper, and makes its table or figure.")
    console.print("The same command again continues a launch that was interrupted.")
    console.print("-q prints only what is wrong and the summary, -v also what Ray and its workers say.")
    console.print("run cell=ID runs one recorded cell anew and compares, see run cell=ID --help.")
    console.print("config prints every key of a launch with the value that it has, and starts nothing.")
    console.print("check reads a whole dataset and lists everything that is broken; show draws a clip with its joints;")
    console.print("poses estimates the joints of your own videos, see docs/own_videos.md;")
    console.print("tables builds the tables and figures of a record again, see tables --help.")
    console.print("report builds one page of HTML with all of them; status lists the launches of a record;")
    console.print("compare compares two of its results, see compare --help;")
    console.print("clean removes checkpoints that can be done without, see clean --help;")
    console.print("predict says what a trained cell recognises in a video, see predict --help;")
    console.print("completion prints a script for your shell: source <(d3d completion bash).\n")
    rows = {
        each.name: [each.title, f"makes {', '.join(each.artefacts) or 'no table'} ({each.section})", each.cost]
        for each in ablations().values()
    }
    for name, several in ablation_groups().items():
        which, cost = (f"about model={name}", "see each of them") if name != ALL else ("not about one system", ALL_COST)
        rows[name] = [f"The {len(several)} that are {which}, in one launch; cells that they share are run once", cost]
    _section(console, "ablation", rows)
    for group in SECTIONS:
        _section(console, group, {name: [each.title, each.cost] for name, each in choices(group).items()})
    rows = {
        each.name: [each.title, f"{each.trials} trials of each row, for {' and '.join(each.objectives)}", each.cost]
        for each in searches().values()
    }
    _section(console, "search", rows)
    _section(console, "keys", {key: [meaning] for key, meaning in KEYS.items()})
    console.print("examples")
    for command, meaning in EXAMPLES.items():
        console.print(f"  {program} {command}\n      {meaning}", soft_wrap=True)


def show_ablations(console: Console, ablations: Sequence[Ablation], command: str) -> None:
    """Prints what ablations are about: rows with the keys that they set, claims, artefacts and cost.

    `command` is the one that prints their configuration.
    """
    for each in ablations:
        console.print(f"{each.name}: {each.title} ({each.section})", soft_wrap=True)
        console.print(f"makes {', '.join(each.artefacts) or 'no table'}; {each.cost}", soft_wrap=True)
        rows = {row.label: [_row_text(row)] for row in each.rows}
        _section(console, "rows", rows)
        if each.claims:
            claims = {text: [""] for text in each.claims}
            _section(console, "claims, which seeds=settle settles", claims)
    console.print(f"{command} prints every key with its value.", soft_wrap=True)


def _row_text(row: Row) -> str:
    """What a row changes, in a line."""
    if row.fuse:
        return f"the mean of the predictions of {' and '.join(row.fuse)}"
    model = {"model": row.model} if row.model else {}
    return ", ".join(f"{key}={value}" for key, value in (model | row.settings).items()) or "as configured"


def _section(console: Console, heading: str, entries: dict[str, list[str]]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, lines in entries.items():
        table.add_row(f"  {name}", "\n".join(lines))
    console.print(heading)
    console.print(table)
    console.print()
