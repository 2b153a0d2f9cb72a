"""Fills frozen dataclasses from tables of names and values, as given by TOML files and options.

The field's type determines the allowed values: a number with its `Range`, a word of a Literal, true
or false, or a list, of a fixed length unless the type is `tuple[..., ...]` with an ellipsis.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from motioncast.train.settings import Range

Settings = TypeVar("Settings")
NOT_NEGATIVE = Range()


class ConfigurationError(ValueError):
    """Raised for an invalid configuration; the message names the file, the key and the remedy."""


def fill(
    defaults: Settings,
    values: object,
    where: str,
    section: str = "",
    limits: Range = NOT_NEGATIVE,
) -> Settings:
    """Returns `defaults` with the given values; `where` and `section` name them in an error.

    `limits` apply to numbers whose annotation has no range.
    """
    table = as_table(values, where, section)
    hints = get_type_hints(type(defaults), include_extras=True)
    known = [field.name for field in fields(defaults)]  # type: ignore[arg-type]
    refuse_unknown(table, known, where, section)
    checked = {
        key: _checked(value, hints[key], limits, f"{where}: {_join(section, key)}")
        for key, value in table.items()
    }
    return replace(defaults, **checked)  # type: ignore[type-var]


def as_table(value: object, where: str, section: str) -> Mapping[str, Any]:
    """Returns a section's table; raises ConfigurationError if the section is not a table."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: {section} is {value!r} (expected a section)")
    return value


def refuse_unknown(
    table: Mapping[str, object], known: list[str], where: str, section: str = ""
) -> None:
    """Raises ConfigurationError for the first unknown key."""
    for key in table:
        if key not in known:
            raise ConfigurationError(
                f"{where}: {_join(section, key)} is unknown (expected one of {', '.join(known)})"
            )


def choose(value: object, known: list[str], where: str, key: str) -> str:
    """Returns a word after checking that it is one of those known."""
    if not isinstance(value, str) or value not in known:
        raise ConfigurationError(f"{where}: {key} is {value!r} (expected {_any_of(known)})")
    return value


def _checked(value: object, hint: Any, limits: Range, name: str) -> Any:
    """Returns a value converted to the type of a field's annotation."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = [one for one in get_args(hint) if one is not NoneType]
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    if get_origin(hint) is Literal:
        words = [str(word) for word in get_args(hint)]
        if value not in words:
            raise ConfigurationError(f"{name} is {value!r} (expected {_any_of(words)})")
        return value
    if get_origin(hint) is tuple:
        of_each = get_args(hint)
        any_length = of_each[-1] is Ellipsis
        expected = "a list" if any_length else f"a list of {len(of_each)}"
        if any_length and isinstance(value, list | tuple):
            of_each = of_each[:1] * len(value)
        if not isinstance(value, list | tuple) or len(value) != len(of_each):
            raise ConfigurationError(f"{name} is {value!r} (expected {expected})")
        return tuple(
            _checked(one, each, limits, f"{name}[{index}]")
            for index, (one, each) in enumerate(zip(value, of_each, strict=True))
        )
    if hint is bool:
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name} is {value!r} (expected true or false)")
        return value
    return _number(value, hint, limits, name)


def _number(value: object, kind: type[int] | type[float], limits: Range, name: str) -> float:
    expected = _describe(kind, limits)
    wanted = int if kind is int else int | float
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigurationError(f"{name} is {value!r} (expected {expected})")
    too_small = value <= limits.least if limits.above else not value >= limits.least
    if too_small or not value <= limits.most:  # written so that NaN fails
        raise ConfigurationError(f"{name} is {value} (expected {expected})")
    return kind(value)


def _describe(kind: type[int] | type[float], limits: Range) -> str:
    number = "a whole number" if kind is int else "a number"
    if limits.most < float("inf"):
        return f"{number} from {limits.least:g} to {limits.most:g}"
    return f"{number} {'above' if limits.above else 'of at least'} {limits.least:g}"


def _any_of(words: list[str]) -> str:
    return f"one of {', '.join(words)}"


def _join(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key
