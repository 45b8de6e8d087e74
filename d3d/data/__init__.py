"""Clips of annotated people, from files or made up, and the samples that a system is trained on."""
