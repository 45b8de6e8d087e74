"""STAR-transformer (Ahn et al., WACV 2023, arXiv 2210.07503)."""
