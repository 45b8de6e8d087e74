"""PoseC3D (Duan et al., "Revisiting Skeleton-based Action Recognition", CVPR 2022)."""
