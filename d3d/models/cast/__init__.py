"""CAST (Lee, Lee, Choi, "CAST: Cross-Attention in Space and Time for Video Action Recognition", NeurIPS 2023)."""
