"""Writes requirements/*.txt: the releases pinned in constraints.txt, with hashes from the index.

    python .ci/lock.py [--check]

    hashes.txt   every line of constraints.txt
    image.txt    packages in the image: those of the client, the services and tracing
    build.txt    packages that build their wheels
    tools.txt    tools that inspect them (.ci/tools.in): `make lock`, `make sbom`, `make audit`

`--check` works without an index: it verifies that the files have the releases of constraints.txt,
each with a hash. Otherwise uv is needed (`make lock` installs it).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
FOLDER = ROOT / "requirements"
PYTHON = "3.11"  # the oldest supported version, also the image's


def main(check: bool) -> None:
    if not check:
        FOLDER.mkdir(exist_ok=True)
        for name, (wanted, options) in sets().items():
            compile_set(FOLDER / name, wanted, options)
    if found := list(problems()):
        sys.exit("\n".join(found))


def sets() -> dict[str, tuple[list[str], list[str]]]:
    """Returns the requirements of each file, and further options for uv."""
    client, server = (read("pyproject.toml"), read("services/pyproject.toml"))
    image = [*client["project"]["dependencies"], *server["project"]["dependencies"]]
    extras: Any = server["project"]["optional-dependencies"]
    image += extras["traces"]  # only imported if a collector is configured
    build = [*client["build-system"]["requires"], *server["build-system"]["requires"]]
    return {
        "hashes.txt": (CONSTRAINTS.read_text("utf-8").splitlines(), ["--no-deps"]),
        "image.txt": ([one for one in image if not one.startswith("motioncast")], []),
        "build.txt": (build, []),
        "tools.txt": ((ROOT / ".ci/tools.in").read_text("utf-8").splitlines(), []),
    }


def read(path: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / path).read_text("utf-8"))


def compile_set(target: Path, wanted: Iterable[str], options: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        text = subprocess.run(
            [
                "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes",
                "--no-header", "--no-annotate", f"--python-version={PYTHON}",
                f"--constraint={CONSTRAINTS}", *options, file.name,
            ],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
    target.write_text(f"# Written by `make lock` from constraints.txt.\n{text}", "utf-8")


def problems() -> Iterable[str]:
    """Yields a message for each release that differs or has no hash."""
    fixed = releases(CONSTRAINTS.read_text("utf-8"))
    for name in sets():
        locked = releases((FOLDER / name).read_text("utf-8"))
        for package, (version, hashes) in locked.items():
            if not hashes:
                yield f"requirements/{name}: {package} has no hash: make lock"
            if package in fixed and fixed[package][0] != version:
                wanted = f"{version} differs from constraints.txt"
                yield f"requirements/{name}: {package} {wanted}: make lock"
            if package not in fixed and name == "image.txt":
                yield f"requirements/{name}: {package} is not in constraints.txt"
        if name == "hashes.txt" and (missing := fixed.keys() - locked.keys()):
            yield f"requirements/{name}: {', '.join(sorted(missing))}: missing: make lock"


def releases(text: str) -> dict[str, tuple[str, int]]:
    """Returns version and number of hashes of each package, by normalised name."""
    found: dict[str, tuple[str, int]] = {}
    package = ""
    for line in text.splitlines():
        if named := re.match(r"([\w.-]+)==([^\s;\\]+)", line):
            package = re.sub(r"[-_.]+", "-", named[1]).lower()
            found[package] = (named[2], 0)
        if package and re.search(r"--hash=sha256:[0-9a-f]{64}\b", line):
            version, count = found[package]
            found[package] = (version, count + 1)
    return found


if __name__ == "__main__":
    main(sys.argv[1:] == ["--check"])
