"""When and where results were made: date, versions, machine, checkpoints."""

import hashlib
import os
import platform
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("motioncast", "matplotlib", "numpy", "scikit-learn", "scipy", "torch")


def provenance(checkpoints: Iterable[Path]) -> dict[str, Any]:
    """Returns the information needed to reproduce a result, ready for JSON."""
    return {
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), **dict(map(_version, PACKAGES))},
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "checkpoints": {path.name: sha256(path) for path in checkpoints},
    }


def sha256(path: Path) -> str:
    """Returns the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(package: str) -> tuple[str, str]:
    try:
        return package, version(package)
    except PackageNotFoundError:
        return package, "unknown"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
