"""The kinds of cells, a file each; kind.py says what a kind is, registry.py which there are."""
