"""Settings from a TOML file and from the environment, validated against frozen dataclasses.

A settings class has sections, and a section has keys. A file has `key = value` under
`[section]`, the environment MOTIONCAST_SECTION_KEY; both become values under `section_key`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

PREFIX: Final = "MOTIONCAST_"
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Kubernetes sets MOTIONCAST_TRITON_SERVICE_HOST and similar ones for a service motioncast-triton.
_SERVICE_LINK: Final = re.compile(r"service_(host|port.*)|port(_\d+_(tcp|udp)(_.*)?)?")
_KINDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Path: "a path",
}


class SettingsError(Exception):
    """A file or a variable has an invalid value; the message names it, the key and the remedy."""


def from_file(path: Path, sections: Mapping[str, Any]) -> dict[str, Any]:
    """Reads settings from a TOML file; its relative paths are relative to the file's folder.

    Args:
        path: The file.
        sections: The class of each section, by its name.

    Raises:
        SettingsError: The file cannot be read, is not TOML, or has an unknown section, an unknown
            key or a value of the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested too deeply
        raise SettingsError(f"{path}: is not valid TOML ({error})") from error
    values: dict[str, Any] = {}
    for section, table in tables.items():
        if section not in sections:
            raise SettingsError(f"{path}: {_unknown(section, sections)}")
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {section} is {table!r} (expected a section)")
        kinds = _kinds(sections[section])
        for key, value in table.items():
            if key not in kinds:
                raise SettingsError(f"{path}: {_unknown(f'{section}.{key}', kinds)}")
            found = _of_toml(value, kinds[key])
            if found is None:
                raise SettingsError(
                    f"{path}: {section}.{key} is {value!r} (expected {_expected(kinds[key])})"
                )
            values[f"{section}_{key}"] = path.parent / found if kinds[key] is Path else found
    return values


def from_environment(
    variables: Mapping[str, str], sections: Mapping[str, Any], others: Iterable[str] = ()
) -> dict[str, Any]:
    """Reads settings from the environment; an empty variable counts as not set.

    Variables that Kubernetes adds for services with similar names are ignored.

    Args:
        variables: The environment.
        sections: The class of each section, by its name.
        others: Variables that look like settings but are not.

    Raises:
        SettingsError: A variable with a section's prefix names no key of the section, or its value
            is of the wrong type.
    """
    values: dict[str, Any] = {}
    for section, kind in sections.items():
        kinds, start = _kinds(kind), f"{PREFIX}{section.upper()}_"
        for variable, text in variables.items():
            if not variable.startswith(start) or variable in others or not text:
                continue
            key = variable.removeprefix(start).lower()
            if key not in kinds and _SERVICE_LINK.fullmatch(key):
                continue
            if key not in kinds:
                known = [f"{start}{one.upper()}" for one in kinds]
                raise SettingsError(_unknown(variable, known))
            found = _of_text(text, kinds[key])
            if found is None:
                raise SettingsError(f"{variable} is {text!r} (expected {_expected(kinds[key])})")
            values[f"{section}_{key}"] = found
    return values


def _kinds(section: Any) -> dict[str, Any]:
    """Returns the type of each key of a section, without the None of an optional one."""
    hints = get_type_hints(section)
    return {
        one.name: next(
            (kind for kind in get_args(hints[one.name]) if kind is not NoneType), hints[one.name]
        )
        for one in fields(section)
    }


def _of_toml(value: object, kind: Any) -> Any:
    """Returns a value of a file as its key's type, None if it has another type."""
    if isinstance(value, bool):
        return value if kind is bool else None
    if kind is float and isinstance(value, int | float):
        return _finite(value)
    if kind is int and isinstance(value, int):
        return value
    return _of_text(value, kind) if isinstance(value, str) and not _is_number(kind) else None


def _of_text(text: str, kind: Any) -> Any:
    """Returns a variable's text as its key's type, None if it cannot be converted."""
    if kind is bool:
        return _WORDS.get(text.lower())
    if issubclass(kind, StrEnum):
        return {one.value.lower(): one.value for one in kind}.get(text.lower())
    try:
        return _finite(text) if kind is float else kind(text)
    except ValueError:
        return None


def _finite(value: str | float) -> float | None:
    """Returns a value as a number; None if it is infinite, NaN or too large."""
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _is_number(kind: Any) -> bool:
    return kind in (bool, int, float)


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"{name} is unknown (expected one of {', '.join(known)})"


def _expected(kind: Any) -> str:
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return _KINDS[kind]
