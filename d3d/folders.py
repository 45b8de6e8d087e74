"""Where the declarations and the published numbers are: in the repository, or in the installed package.

The repository has them beside the code, in experiments/ and tables/published/; a wheel has them inside the package.
"""

from pathlib import Path

PACKAGE = Path(__file__).absolute().parent
_INSTALLED = PACKAGE / "declared"  # as pyproject.toml has it
_BESIDE = _INSTALLED if _INSTALLED.is_dir() else PACKAGE.parent

EXPERIMENTS = _BESIDE / "experiments"  # config.yaml, and a folder each of ablations, models, presets, data and searches
PUBLISHED = _BESIDE / "tables" / "published"  # a YAML file for each paper
