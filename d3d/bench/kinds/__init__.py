"""The kinds of cells, one in each file; kind.py defines what a kind is, registry.py lists them."""
