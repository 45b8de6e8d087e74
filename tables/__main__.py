"""`python -m tables` is `python orchestrate.py tables`."""

import sys

from d3d.command import main

sys.exit(main(["tables", *sys.argv[1:]]))
