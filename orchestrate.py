"""The command of the bench: `python orchestrate.py ablation=stride_grid`, or `--help`. d3d/command.py is all of it."""

from d3d.command import entry

if __name__ == "__main__":
    entry()
