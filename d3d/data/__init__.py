"""Clips of annotated people, from files or synthetic, and the samples that a system is trained on."""
