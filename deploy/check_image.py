"""Checks the image without Docker: runs its build, its entry points and its health check.

    python deploy/check_image.py [--sbom FILE]

The first stage of the Dockerfile is run (its files copied, its lines executed) in an empty folder
that stands for `/`. The entry point is then started with the second stage's environment and user:
once as it is, and once with each command of compose.yaml, on addresses 127.77.0.x that stand for
containers. Each must pass the image's health check, answer a client and exit with 0. Needs Linux
and the Dockerfile's version of Python.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from motioncast.client import connect_sync

DEPLOY: Final = Path(__file__).parent
ROOT: Final = DEPLOY.parent
STARTUP_SECONDS: Final = 120.0
END_SECONDS: Final = 30.0
_ABSOLUTE: Final = re.compile(r"(?<![\w./~-])/(?=(?:opt|build|wheels|models|var/cache/pip)\b)")


class ImageError(Exception):
    """The image would not work; the message says why."""


def main(
    sbom: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write the image's bill of materials to (CycloneDX)."
        ),
    ] = None,
) -> None:
    """Build the image's contents and run its entry points."""
    build, final = stages((DEPLOY / "Dockerfile").read_text("utf-8"))
    python = python_of(build)
    with tempfile.TemporaryDirectory(prefix="motioncast-image-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        began = time.monotonic()
        mounted = root / "etc"  # files that compose.yaml mounts
        mounted.mkdir()
        shutil.copy(DEPLOY / "motioncast.toml", mounted)
        run_build(root, build, python)
        print(f"built in {time.monotonic() - began:.0f} s", flush=True)
        image = Image(root, final)
        check_alone(image)
        check_compose(image, mounted)
        if sbom is not None:
            write_sbom(root, sbom.resolve())  # the program runs in the image's folder
    print("the image's entry points start, answer and exit")


def stages(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """Returns the instructions of both stages, each as [name, rest of the line]."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[list[str]]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append([name, rest.strip()])
    build, final = found
    return build, final


def python_of(stage: Sequence[Sequence[str]]) -> str:
    """Returns this machine's Python of the same version as a stage's base image."""
    version = re.match(r"python:(3\.\d+)", stage[0][1])
    assert version is not None
    found = shutil.which(f"python{version[1]}")
    if found is None:
        raise ImageError(f"Python {version[1]}: not found (the version in the image is needed)")
    return found


def run_build(root: Path, stage: Sequence[Sequence[str]], python: str) -> None:
    """Runs the COPY and RUN instructions of the first stage inside a folder."""
    tools = root / "tools"  # where the image has its `python` and `pip`
    tools.mkdir()
    (tools / "python").symlink_to(python)
    variables = {"PATH": f"{tools}:/usr/bin:/bin"}
    # From the caller's environment, keep only the settings of package indexes and pip's cache.
    variables |= {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "HOME"))}
    where = root
    for name, rest in stage[1:]:
        match name:
            case "WORKDIR":
                where = root / rest.lstrip("/")
                where.mkdir(parents=True)
            case "COPY":
                *sources, target = rest.split()
                for source in sources:
                    copy(ROOT / source, where / target)
            case "RUN":
                line = _ABSOLUTE.sub(f"{root}/", re.sub(r"--mount=\S+ ", "", rest))
                run(["sh", "-euc", line], cwd=where, env=variables)
            case "ENV":
                pass  # pip's own folders
            case _:
                raise ImageError(f"Dockerfile: {name} is not supported by {Path(__file__).name}")


def copy(source: Path, target: Path) -> None:
    """Copies as Docker would: without the generated files that Dockerfile.dockerignore excludes."""
    if source.is_dir():
        left_out = shutil.ignore_patterns("__pycache__", "*_pb2*.py", "*_pb2*.pyi")
        shutil.copytree(source, target, ignore=left_out)
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


class Image:
    """The image as described by the Dockerfile's second stage.

    Attributes:
        entry: Words of the entry point.
        command: Default arguments of the entry point.
    """

    def __init__(self, root: Path, stage: Sequence[Sequence[str]]) -> None:
        said = {name: rest for name, rest in stage if name not in ("COPY", "RUN")}
        self._root = root
        self.entry: list[str] = json.loads(said["ENTRYPOINT"])
        self.command: list[str] = json.loads(said["CMD"])
        words = dict(word.split("=", 1) for word in shlex.split(said["ENV"]))
        here = {name: _ABSOLUTE.sub(f"{root}/", value) for name, value in words.items()}
        here["PATH"] = here["PATH"].replace("$PATH", "/usr/bin:/bin")
        self._variables = here | {"HOME": "/"}
        self._user = self._taken(int(said["USER"].partition(":")[0]))
        self._health: list[str] = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])

    @contextmanager
    def container(self, name: str, host: str, *words: str) -> Iterator[None]:
        """Runs the entry point on an address; leaving the block ends it, expecting exit code 0."""
        command = [*self.entry, *words, f"--host={host}"]
        print(f"{name}: {' '.join(command)}", flush=True)
        log = self._root / f"{name}.log"
        with log.open("wb") as output:
            running = subprocess.Popen(command, stdout=output, stderr=output, **self._as())
        try:
            self._until_healthy(name, host, running, log)
            yield
        finally:
            running.terminate()
            try:
                code = running.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                code = running.wait()
        if code:
            raise ImageError(f"{name}: exited with code {code}\n{log.read_text('utf-8')}")

    def _until_healthy(
        self, name: str, host: str, running: subprocess.Popen[bytes], log: Path
    ) -> None:
        check = [word.replace("127.0.0.1", host) for word in self._health]
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline and running.poll() is None:
            if subprocess.run(check, capture_output=True, **self._as()).returncode == 0:
                return
            time.sleep(0.5)
        raise ImageError(f"{name}: did not become healthy\n{log.read_text('utf-8')}")

    def _as(self) -> dict[str, Any]:
        """Returns the environment of a container, and its user if this process can switch to it."""
        found: dict[str, Any] = {"env": self._variables, "cwd": "/"}
        if self._user is not None:
            found |= {"user": self._user, "group": self._user, "extra_groups": []}
        return found

    def _taken(self, user: int) -> int | None:
        """Returns the image's user; None if we are not root or it may not run this Python."""
        if os.geteuid() != 0:
            return None
        python = self._root / "opt" / "motioncast" / "bin" / "python"
        try:
            subprocess.run([python, "-Ic", ""], check=True, user=user, group=user, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            print(f"running as root: user {user} cannot run the Python of this machine", flush=True)
            return None
        return user


def check_alone(image: Image) -> None:
    """Runs the image as `docker run` does, with tracing: it exits if its packages are missing."""
    traces = "--traces-endpoint=http://127.77.0.1:4317"  # no collector there; harmless
    with image.container("all in one", "127.77.0.1", *image.command, traces):
        answer("127.77.0.1")


def check_compose(image: Image, mounted: Path) -> None:
    """Runs the commands of compose.yaml, one container each."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    commands: dict[str, list[str]] = {
        name: one["command"] for name, one in services.items() if one.get("image") == "motioncast"
    }
    with ExitStack() as stack:
        addresses: list[str] = []
        for number, (name, command) in enumerate(commands.items(), start=2):
            host = f"127.77.0.{number}"
            words = [word.replace("--config=/etc/", f"--config={mounted}/") for word in command]
            words += addresses if name == "orchestrator" else []
            stack.enter_context(image.container(name, host, *words))
            addresses.append(f"--{name}=dns:///{host}:{50050 + number - 1}")
        answer(host)  # the orchestrator's, which is last


def answer(host: str) -> None:
    """Asks the orchestrator in a container which models it serves."""
    with connect_sync(f"{host}:50050", timeout=10.0) as service:
        models = service.server_info(timeout=10.0).models
    if not models:
        raise ImageError(f"{host}: serves no models")
    print(f"  serves {', '.join(model.name for model in models)}", flush=True)


def write_sbom(root: Path, target: Path) -> None:
    """Writes a bill of materials of the image's environment, with versions and licences."""
    target.parent.mkdir(parents=True, exist_ok=True)
    program = shutil.which("cyclonedx-py")
    if program is None:
        raise ImageError("sbom: cyclonedx-bom is not installed (use `make sbom`)")
    python = root / "opt" / "motioncast" / "bin" / "python"
    options = ["--output-reproducible", "--output-format=JSON", f"--output-file={target}"]
    options += [f"--pyproject={ROOT / 'pyproject.toml'}"]
    run([program, "environment", *options, str(python)], cwd=root, env=dict(os.environ))
    print(f"{target}: {len(json.loads(target.read_text('utf-8'))['components'])} components")


def run(command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
    """Runs a command; raises ImageError with its output if it fails."""
    ended = subprocess.run(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if ended.returncode:
        raise ImageError(f"{command[-1]}\n{ended.stdout[-4000:]}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ImageError as error:
        sys.exit(f"check_image: {error}")
