"""The long form: a grid that is trained while its processes are killed, and compared with the same grid undisturbed.

python -m tests.chaos --kills 20 --seed 0 --into docs/reliability.md
"""

import argparse
import signal
import sys
from pathlib import Path
from time import monotonic

from d3d.bench.run.environment import quiet
from tests.chaos.evidence import differences, gather
from tests.chaos.report import insert, summary
from tests.chaos.stage import Stage
from tests.chaos.storm import draw_blows, play, rage


def main() -> int:
    """Returns the exit status: 0 where nothing was lost, 1 where something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--ablation", default="modules")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each row")
    parser.add_argument("--epochs", type=int, default=8, help="of each training")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a Markdown file that has a place for the summary")
    asked = parser.parse_args()
    grid = [f"ablation={asked.ablation}", f"seeds={asked.seeds}", f"training.epochs={asked.epochs}"]
    grid += ["preset=smoke", "data.clips=30"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that nothing is left running
    with quiet(local=False), Stage(server=True) as stage:
        stage.move("undisturbed")
        undisturbed = play(stage, grid)
        print(f"undisturbed: {len(undisturbed.statuses)} cells, {undisturbed.epochs} epochs", flush=True)
        stage.move("disturbed")
        begun = monotonic()
        blows = draw_blows(asked.seed, asked.kills, undisturbed.epochs)
        storm = rage(stage, grid, blows, asked.seed, undisturbed.epoch, lambda line: print(line, flush=True))
        minutes = (monotonic() - begun) / 60
        disturbed = gather(stage.storage, stage.tracking_uri)
    command = f"python -m tests.chaos --kills {asked.kills} --seed {asked.seed} --epochs {asked.epochs}"
    text = summary(command, grid, storm, minutes, disturbed, undisturbed)
    print(text)
    if asked.into:
        asked.into.write_text(insert(asked.into.read_text("utf-8"), text), "utf-8")
    faults = [*disturbed.faults(), *storm.backwards, *differences(disturbed, undisturbed)]
    faults += [f"{asked.kills} kills were asked for"] if len(storm.dealt) < asked.kills else []
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
