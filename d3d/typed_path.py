"""A path as a user typed it: what no file of this machine can be is refused here, before anything looks for it."""

from pathlib import Path

from d3d.errors import ConfigError
from d3d.text import unshowable


def typed_path(key: str, text: str) -> Path:
    """The path that the value of a key names, with ~ expanded; there need not be anything.

    Raises ConfigError for a URI, for a name that is no text, and where the system cannot say whether something is
    there: the path is too long, one of its folders may not be entered, or its links lead back to themselves.
    """
    if not text or "://" in text:
        fault = "is a URI, not a path; mount it, or copy it to this machine" if text else "names nothing"
        raise ConfigError(f"{key}={text}: {fault}; name a folder or a file")
    if any(unshowable(character) or character in "\n\r" for character in text):
        raise ConfigError(f"{key}={text}: has a character that is no text; name a folder or a file without it")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # "~name" of an unknown user
        raise ConfigError(f"{key}={text}: {error}; write the path without ~") from error
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # whoever needs it says so
    except OSError as error:
        raise ConfigError(f"{key}={text}: cannot be opened ({error.strerror}); name another") from error
    return path
