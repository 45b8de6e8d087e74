"""The ablation bench of video action recognition, with the 3D deformable transformer (ICCV 2023, arXiv 2212.05638)."""
