"""The one exception family: whatever a user can mend is raised as a `D3DError`.

The message names the offending value and the way out, in one line; the command line prints it and exits with status 2.
"""


class D3DError(Exception):
    """A fault the user can mend. The message is one line: what is wrong, and what to do.

    What it quotes may come from anyone's file: nothing of that ends the line or tells the terminal anything.
    """

    def __str__(self) -> str:
        return "".join(map(_printable, super().__str__()))


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


class ConfigError(D3DError):
    """A configuration value that cannot be used."""


class DataError(D3DError):
    """A dataset, a clip or a file that cannot be read as what it should be."""


class TrainingError(D3DError):
    """A training that cannot go on, such as a loss that is no number."""


class CheckpointError(D3DError):
    """A checkpoint that does not belong to this training or is damaged."""


class DamageError(CheckpointError):
    """A checkpoint that is not what was written."""


class StorageError(D3DError):
    """A disk that takes no more."""


class ScheduleError(D3DError):
    """A launch the machine or the cluster cannot carry out."""


class RecordError(D3DError):
    """A record of runs that does not hold what is asked of it."""


def require(holds: bool, key: str, value: object, rule: str) -> None:
    """Raises ConfigError unless the value of a configuration key obeys the rule, which the message ends with."""
    if not holds:
        raise ConfigError(f"{key}={value}: {rule}")
