"""Commands of the README and of docs/ that compose no configuration, checked as they are typed there."""

from collections.abc import Sequence

from d3d.bench.declare.compose import compose
from d3d.bench.declare.usages import CLEAN, COMPARE, PREDICT, REPRODUCE, STATUS
from d3d.key_values import key_values

KEYS = {
    "status": STATUS.keys,
    "compare": COMPARE.keys,
    "clean": CLEAN.keys,
    "predict": PREDICT.keys,
    "run": REPRODUCE.keys,
}


def check_keys(command: str, arguments: Sequence[str]) -> None:
    """Fails unless a command of KEYS takes these arguments, and `compare` is asked about ablations that there are."""
    names, typed = (arguments[:2], arguments[2:]) if command == "compare" else ((), arguments)
    values = key_values(typed, KEYS[command])
    assert set(values) <= set(KEYS[command])
    assert set(values) >= {"predict": {"cell", "video"}, "run": {"cell"}}.get(command, set())
    assert all(compose([f"ablation={name.partition('/')[0]}"]).ablations for name in names)
