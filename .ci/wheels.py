"""Builds the wheels, fills a local index with their dependencies and tests clean installs.

    python .ci/wheels.py [client] [serve] [train]      default: all

Each job installs wheels from the local index only, into an empty environment outside the checkout,
and runs the program of its name in tests/installed. Fetched packages stay in dist/index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = {
    "motioncast": ROOT,
    "motioncast_server": ROOT / "services",
    "motioncast_train": ROOT / "training",
}
INDEX = ROOT / "dist" / "index"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
JOBS = {  # pinned to our version, so that no package of the same name replaces it
    "client": f"motioncast=={VERSION}",
    "serve": f"motioncast[cli,serve]=={VERSION}",
    "train": f"motioncast[train,export]=={VERSION}",
}


def main(jobs: Sequence[str]) -> None:
    build()
    for job in jobs:
        gather(JOBS[job])
        check(job)


def check(job: str) -> None:
    """Runs a job's program in an environment with only its wheels installed."""
    with tempfile.TemporaryDirectory(prefix=f"motioncast-{job}-") as folder:
        python = environment(Path(folder) / "environment", JOBS[job])
        program = Path(folder) / f"{job}.py"
        shutil.copy(ROOT / "tests" / "installed" / f"{job}.py", program)
        run(python, "-I", program, cwd=folder)


def build() -> None:
    """Builds our wheels into the index, replacing older ones."""
    INDEX.mkdir(parents=True, exist_ok=True)
    for name, folder in DISTRIBUTIONS.items():
        for old in INDEX.glob(f"{name}-*.whl"):
            old.unlink()
        run(sys.executable, "-m", "build", "--wheel", "--outdir", INDEX, folder, quiet=True)


def gather(wanted: str) -> None:
    """Downloads the wheels' dependencies into the index; exits if these would include CUDA."""
    options = ["--find-links", INDEX, "--constraint", ROOT / "constraints.txt"]
    report = run(
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
        "--report", "-", *options, wanted, quiet=True,
    )  # fmt: skip
    names = [one["metadata"]["name"] for one in json.loads(report)["install"]]
    if cuda := [
        name for name in names if name.startswith(("nvidia-", "triton")) and name != "tritonclient"
    ]:
        sys.exit(
            f"torch would bring {', '.join(cuda[:3])} ...: name an index with torch for CPUs in"
            " PIP_EXTRA_INDEX_URL"
        )
    run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--dest",
        INDEX,
        *options,
        wanted,
        quiet=True,
    )


def environment(folder: Path, wanted: str) -> Path:
    """Creates an environment and installs from the index only; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ["--no-index", "--find-links", INDEX, "--constraint", ROOT / "constraints.txt"]
    run(python, "-m", "pip", "install", "--quiet", *options, wanted)
    return python


def run(*command: object, cwd: str | None = None, quiet: bool = False) -> str:
    """Runs a command and returns its output; exits if it fails."""
    words = [str(word) for word in command]
    print("+", *words, flush=True)
    # Hide the checkout and the caller's settings from the command.
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "MOTIONCAST"))
    }
    ended = subprocess.run(
        words, cwd=cwd, env=clean, text=True, stdout=subprocess.PIPE if quiet else None
    )
    if ended.returncode:
        print(ended.stdout or "", file=sys.stderr)
        sys.exit(f"failed: {' '.join(words)}")
    return ended.stdout or ""


if __name__ == "__main__":
    if not set(sys.argv[1:]) <= set(JOBS):
        sys.exit(f"usage: {sys.argv[0]} {' '.join(f'[{job}]' for job in JOBS)}")
    main(sys.argv[1:] or list(JOBS))
