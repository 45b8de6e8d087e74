"""Setting keys of a configuration back to their defaults, where they decide nothing."""

from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def with_defaults(config: T, *keys: str) -> T:
    """The same frozen dataclass with these fields at their defaults, so that what computes the same compares equal.

    Each of `keys` must be a field that has a default value.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in fields(config) if field.name in keys}
    assert len(defaults) == len(keys) and MISSING not in defaults.values(), keys
    return replace(config, **defaults)
