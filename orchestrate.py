"""The command of the bench, such as `python orchestrate.py ablation=stride_grid` or `--help`; see d3d/command.py."""

from d3d.command import entry

if __name__ == "__main__":
    entry()
