"""Fuzzes operators' input: TOML files, variables and config.pbtxt must be read or refused.

The first byte selects one of them.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import Final

from fuzz.fuzzing import Target, refused

from motioncast.cli.serve_settings import SECTIONS, ServeSettings
from motioncast.cli.settings_sources import SettingsError, from_environment, from_file
from motioncast.inference.kserve.config import read_config
from motioncast.inference.parameters import read_parameters
from motioncast.train.configuration import load_configuration
from motioncast.train.fields import ConfigurationError
from motioncast.wire.errors import InvalidInputError

ROOT: Final = Path(__file__).parents[2]
REFUSALS: Final = (SettingsError, ConfigurationError, InvalidInputError)
logging.disable()  # refusals are also logged
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="motioncast-fuzz-settings-")
_TOML: Final = Path(_FOLDER.name, "settings.toml")
_PBTXT: Final = Path(_FOLDER.name, "model", "config.pbtxt")
_PBTXT.parent.mkdir()


def attack(data: bytes) -> bool:
    """Reads settings; returns whether they were accepted."""
    kind, rest = data[:1], data[1:]
    try:
        if kind == b"v":
            return from_variables(rest)
        (_PBTXT if kind == b"m" else _TOML).write_bytes(rest)
        if kind == b"t":
            load_configuration(str(_TOML))
        elif kind == b"m":
            read_parameters(Path(_FOLDER.name), "model")
            read_config(Path(_FOLDER.name), "model")
        else:
            ServeSettings.of(from_file(_TOML, SECTIONS))
    except REFUSALS as refusal:
        return refused(refusal)
    return True


def from_variables(data: bytes) -> bool:
    """Reads lines NAME=VALUE as an environment."""
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")
    variables = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    ServeSettings.of(from_environment(variables, SECTIONS))
    return True


def seeds() -> list[bytes]:
    """Returns the project's own files, and a few lines of each kind."""
    serve = (ROOT / "deploy/motioncast.toml").read_bytes()
    configurations = ROOT / "training/motioncast/train/configurations"
    every = re.sub(rb"(?m)^# (\w+ = )", rb"\1", serve)  # with commented-out settings enabled
    training = [path.read_bytes() for path in configurations.glob("*.toml")]
    shipped = (path.read_bytes() for path in (ROOT / "model_repository").glob("*/config.pbtxt"))
    models = [re.sub(rb"(?m)^name: .*\n", b"", one) for one in shipped]
    values_of: dict[str, dict[str, object]] = {
        "listen": {"host": "::1", "port": 1, "insecure": "yes"},
        "ssl": {"mode": "MTLS", "certificate": "a.pem"},
        "sessions": {"silence": 3.5, "maximum": 3},
        "log": {"level": "debug", "json": "0"},
    }
    lines = b"\n".join(
        f"MOTIONCAST_{section.upper()}_{key.upper()}={value}".encode()
        for section, values in values_of.items()
        for key, value in values.items()
    )
    few = [b"s[sessions]\nsilence = 3\nmaximum = 4\n[log]\nlevel = 'INFO'\njson = true\n"]
    few += [b"s[listen]\nport = 0x7f\nhost = '::1'\n", b"s[ssl]\nca = 'a/b.pem'\n"]
    whole = [b"s" + serve, b"s" + every, b"v" + lines]
    whole += [b"t" + one[:4000] for one in training] + [b"m" + one[:4000] for one in models]
    return few + whole


TARGET: Final = Target(attack, seeds)
