"""The 3D deformable transformer for action recognition (Kim, Ahn, Ko, ICCV 2023, arXiv 2212.05638)."""
