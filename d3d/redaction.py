"""Leaves the secrets of URIs out of whatever is shown or stored: `tracking.uri=` may hold a user and a password.

Messages of errors, the commands in plan.json and in tables, and the lines of a launch pass through `redacted`. The URI
itself is used as it was typed.
"""

import re

MARK = "***"  # what stands for a secret
_URI = re.compile(r"://\S+")  # a URI without its scheme
_USER = re.compile(r"://(?!/)\S*@")  # as far as the last @, as one in a password may be unquoted; a path has no user
_OPTION = re.compile(r"([?&;#])([\w.-]+)=[^\s&;#'\"]+")
_SECRET = re.compile(r"(?i)pass|pwd|secret|token|key|auth|credential|signature|odbc|^(sig|sas)$")  # in an option's name


def redacted(text: str) -> str:
    """The text with `***` for the user and password of every URI in it, and for options such as `password=`."""
    return _URI.sub(lambda uri: _OPTION.sub(_redacted_option, _USER.sub(f"://{MARK}@", uri[0])), text)


def _redacted_option(option: re.Match[str]) -> str:
    return f"{option[1]}{option[2]}={MARK}" if _SECRET.search(option[2]) else option[0]


def is_redacted(uri: str) -> bool:
    """Whether a URI was copied from where its secrets had been left out, so that it cannot be used."""
    return redacted(uri) == uri and MARK in uri
