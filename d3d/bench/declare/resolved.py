"""What a command line means: every key of its launch with the value that it has, and what each row changes, as YAML."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import yaml

from d3d.bench.declare.ablations import MODEL, Ablation
from d3d.bench.declare.launch import Launch
from d3d.bench.declare.searches import Search
from d3d.models.registry import config_type
from d3d.redaction import redacted


def resolved(launch: Launch, program: str) -> str:
    """The launch as YAML, below a comment with its command; `program` is the command as the user typed it.

    Keys that the clips give, such as the number of classes, are not known before a dataset is read, and are left out.
    """
    given = config_type(launch.config.model.system).from_data
    tree: dict[str, Any] = asdict(launch.config)
    del tree["seed"]
    tree[MODEL] = {key: value for key, value in tree[MODEL].items() if key not in given}
    tree |= {
        "search": _search(launch.search) if launch.search else None,
        "seeds": list(launch.seeds) if launch.settle is None else f"settle, at most {launch.settle}",
        "storage": str(launch.storage),
        "stale": launch.stale,
        "resources": asdict(launch.resources),
        "cluster": asdict(launch.cluster),
        "tracking": {"uri": redacted(launch.tracking_uri), "test_every": launch.test_every},
        "ablations": {ablation.name: _rows(ablation) for ablation in launch.ablations},
    }
    command = " ".join([program, *launch.arguments])
    return f"# {command}\n" + yaml.safe_dump(_plain(tree), sort_keys=False, allow_unicode=True, width=120)


def _search(search: Search) -> dict[str, Any]:
    """A search without the space that it searches, which its file has."""
    return {
        "source": search.source,
        "trials": search.trials,
        "objectives": list(search.objectives),
        "pruner": search.pruner,
        "seed": search.seed,
    }


def _rows(ablation: Ablation) -> dict[str, Any]:
    """Row → the keys that it sets; with the model that it starts from, and the rows of which it is the mean, if any."""
    return {
        row.label: row.settings
        | ({MODEL: row.model} if row.model else {})
        | ({"fuse": list(row.fuse)} if row.fuse else {})
        for row in ablation.rows
    }


def _plain(value: Any) -> Any:
    """The value with lists for tuples, as YAML has them."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
