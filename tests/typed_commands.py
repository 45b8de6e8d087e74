"""Commands of the README and of docs/, checked as they are typed there."""

from collections.abc import Sequence

from d3d.bench.declare.ablations import ablations
from d3d.bench.declare.completion import completion_script
from d3d.bench.declare.compose import OWN, compose, compose_inspection
from d3d.bench.declare.usages import CLEAN, COMPARE, PREDICT, REPRODUCE, STATUS, TABLE_KEYS
from d3d.command import COMMANDS, split_command, split_output
from d3d.key_values import key_values
from d3d.report import ARTEFACTS

KEYS = {"status": STATUS.keys, "compare": COMPARE.keys, "clean": CLEAN.keys, "predict": PREDICT.keys}
NEEDED = {"predict": {"cell", "video"}, "clean": {"storage"}}


def check_command(arguments: Sequence[str]) -> None:
    """Fails unless `python orchestrate.py` takes these arguments, as far as that is known without a record."""
    output, words = split_output(arguments)
    command, typed = split_command(words)
    assert output == "normal" or command == "run"
    if command == "run" and any(word.startswith("cell=") for word in typed):
        assert key_values(typed, REPRODUCE.keys)
    elif command in ("run", "config"):
        assert compose(typed).ablations
    elif command in OWN:
        compose_inspection(command, typed)
    elif command in ("tables", "report"):
        key_values([word for word in typed if "=" in word], TABLE_KEYS)
        assert all("=" in word or word in (*ARTEFACTS, *ablations()) for word in typed)
    elif command == "completion":
        assert completion_script(typed, COMMANDS, ARTEFACTS)
    else:
        _check_keys(command, typed)


def _check_keys(command: str, arguments: Sequence[str]) -> None:
    """Fails unless a command of KEYS takes these arguments, and `compare` is asked about ablations that there are."""
    names, typed = (arguments[:2], arguments[2:]) if command == "compare" else ((), arguments)
    assert set(key_values(typed, KEYS[command])) >= NEEDED.get(command, set())
    assert all(compose([f"ablation={name.partition('/')[0]}"]).ablations for name in names)
