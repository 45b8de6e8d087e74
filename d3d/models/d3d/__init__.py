"""The 3D deformable transformer (arXiv 2212.05638), one idea a file, named as in the paper."""
