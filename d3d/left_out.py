"""How clips that a dataset has and a training does not use are named: in a plan, in a run and below a table."""

from collections.abc import Sequence

NAMED = 20  # clips that a text names; plan.json has all


def left_out_text(ids: Sequence[str]) -> str:
    """Which clips were left out, in one line. `ids` is not empty."""
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    clips = "1 clip is" if len(ids) == 1 else f"{len(ids)} clips are"
    return f"{clips} left out, because of missing frames or damage: {', '.join(ids[:NAMED])}{more}"
