"""The exceptions of the project: every fault that a user can correct is raised as a `D3DError`.

The message names the offending value and the way out, in one line; the command line prints it and exits with status 2.
"""

from d3d.redaction import redacted
from d3d.text import printable


class D3DError(Exception):
    """A fault that the user can correct. The message is one line: what is wrong, and what to do.

    It may quote a file from anywhere, so unprintable characters are escaped: none can end the line or control the
    terminal. It may quote a URI, or a library's error that does, so the secrets of URIs are left out.
    """

    def __str__(self) -> str:
        return printable(redacted(super().__str__()))


class ConfigError(D3DError):
    """A configuration value that cannot be used."""


class DataError(D3DError):
    """A dataset, a clip or a file that cannot be read."""


class UnreachableError(DataError):
    """A file that the system cannot read now, for lack of permission or of its disk: it is not known to be damaged."""


class TrainingError(D3DError):
    """A training that cannot continue, for example because its loss is not finite."""


class CheckpointError(D3DError):
    """A checkpoint that does not belong to this training or is damaged."""


class DamageError(CheckpointError):
    """A checkpoint whose content is not what was written."""


class StorageError(D3DError):
    """A disk that is full."""


class ScheduleError(D3DError):
    """A launch that the machine or the cluster cannot run."""


class RecordError(D3DError):
    """A record of runs that lacks what is asked of it."""


class UnusableRecordError(RecordError):
    """A record of runs that cannot be read or written: its server or database is away, locked or damaged."""


def require(holds: bool, key: str, value: object, rule: str) -> None:
    """Raises ConfigError unless the value of a configuration key obeys the rule, which the message ends with."""
    if not holds:
        raise ConfigError(f"{key}={value}: {rule}")
