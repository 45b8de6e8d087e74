"""Commands of the README and of docs/ that compose no configuration, checked as they are typed there."""

from collections.abc import Sequence

from d3d.bench.declare.compose import compose
from d3d.bench.run.answer import KEYS as PREDICT_KEYS
from d3d.bench.run.cleaning import KEYS as CLEAN_KEYS
from d3d.key_values import key_values
from d3d.report.compare import KEYS as COMPARE_KEYS
from d3d.report.status import KEYS as STATUS_KEYS

KEYS = {"status": STATUS_KEYS, "compare": COMPARE_KEYS, "clean": CLEAN_KEYS, "predict": PREDICT_KEYS}


def check_keys(command: str, arguments: Sequence[str]) -> None:
    """Fails unless a command of KEYS takes these arguments, and `compare` is asked about ablations that there are."""
    names, typed = (arguments[:2], arguments[2:]) if command == "compare" else ((), arguments)
    values = key_values(typed, KEYS[command])
    assert set(values) <= set(KEYS[command])
    assert command != "predict" or set(values) >= {"cell", "video"}
    assert all(compose([f"ablation={name.partition('/')[0]}"]).ablations for name in names)
