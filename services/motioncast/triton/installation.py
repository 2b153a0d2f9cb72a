"""Finds the server in the wheel nvidia-pytriton, and builds the backend that runs ONNX models."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from motioncast.inference.cores import usable_cores
from motioncast.triton.backend.session import CORES_VARIABLE
from motioncast.wire.errors import UnavailableError

_PACKAGE: Final = "pytriton"
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_NO_NUMPY_1: Final = (3, 13)  # nor, therefore, Triton's Python backend
_OUR_BACKEND: Final = Path(__file__).parent / "backend"
_OUR_PACKAGE: Final = "motioncast_backend"  # its name in the backend's processes


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts of the wheel, for the running Python."""

    server: Path
    python_backend: Path  # folder of libtriton_python.so and its utilities
    stub: Path  # runs a Python backend
    libraries: Path

    @classmethod
    def find(cls) -> Installation:
        """Returns the installed server.

        Raises:
            UnavailableError: There is none for this machine, or none that works with the installed
                packages; the message says what to do.
        """
        machine = f"{sys.platform} {platform.machine()}"
        if machine != "linux x86_64":
            raise UnavailableError(
                f"engine: Triton cannot be embedded on {machine}; "
                "connect to one that runs elsewhere (--triton-url)"
            )
        if sys.version_info >= _NO_NUMPY_1:
            raise UnavailableError(
                f"engine: Triton cannot be embedded in Python {_PYTHON}, only in 3.11 and 3.12; "
                "connect to one that runs elsewhere (--triton-url)"
            )
        package = find_spec(_PACKAGE)
        if package is None or package.origin is None:
            raise UnavailableError(
                "engine: Triton is not installed: pip install 'motioncast[triton]'"
            )
        root = Path(package.origin).parent
        found = cls(
            server=root / "tritonserver" / "bin" / "tritonserver",
            python_backend=root / "tritonserver" / "backends" / "python",
            stub=root
            / "tritonserver"
            / "python_backend_stubs"
            / _PYTHON
            / "triton_python_backend_stub",
            libraries=root.parent / "nvidia_pytriton.libs",
        )
        for part in (found.server, found.python_backend, found.stub, found.libraries):
            if not part.exists():
                raise UnavailableError(
                    f"engine: this nvidia-pytriton has no {part.name}; install the version that "
                    "motioncast[triton] requires"
                )
        if not np.__version__.startswith("1."):  # with numpy 2 its stub would return empty tensors
            raise UnavailableError(
                f"engine: Triton's Python backend needs numpy < 2, but this is {np.__version__}: "
                "pip install 'motioncast[triton]'"
            )
        return found

    def assemble_backends(self, folder: Path) -> Path:
        """Writes the backend `onnxruntime` into a folder; returns the value of --backend-directory.

        The files are copied, because the server refuses links that lead out of the folder.
        """
        backend = folder / "onnxruntime"
        backend.mkdir(parents=True)
        for file in (*self.python_backend.glob("*.*"), self.stub):
            shutil.copy(file, backend)
        shutil.copytree(
            _OUR_BACKEND, backend / _OUR_PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
        )
        (backend / "model.py").write_text(
            f"from {_OUR_PACKAGE}.model import TritonPythonModel  # what Triton looks for here\n"
        )
        return folder

    def environment(self) -> dict[str, str]:
        """Returns the environment for the server: its libraries, and the running Python."""
        libraries = [str(sysconfig.get_config_var("LIBDIR")), str(self.libraries)]
        if os.environ.get("LD_LIBRARY_PATH"):
            libraries.append(os.environ["LD_LIBRARY_PATH"])
        # The stub locates the environment's packages through the first python3 on the path.
        programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        return {
            **os.environ,
            CORES_VARIABLE: str(usable_cores()),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PATH": os.pathsep.join(programs),
        }
