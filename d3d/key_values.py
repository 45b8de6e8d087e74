"""The arguments KEY=VALUE of the commands that compose no configuration."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from d3d.errors import ConfigError


def key_values(arguments: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Key → value; of a key that is given twice the last value. Raises ConfigError for other keys and empty values."""
    values: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if key not in known:
            nearest = get_close_matches(key, known, 1, 0)[0]
            raise ConfigError(f"{argument}: unknown key; did you mean {nearest}? Known keys: {', '.join(known)}")
        if not sign or not value:
            raise ConfigError(f"{key}=: give it a value, or leave it out")
        values[key] = value
    return values


def boolean(key: str, value: str) -> bool:
    """What a value of true or false means. Raises ConfigError for any other."""
    if value not in ("true", "false"):
        raise ConfigError(f"{key}={value}: must be true or false")
    return value == "true"


def whole_number(key: str, value: str) -> int:
    """The whole number that a value is. Raises ConfigError for any other value."""
    if not value.isdecimal():
        raise ConfigError(f"{key}={value}: must be a whole number")
    return int(value)
