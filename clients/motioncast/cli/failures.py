"""Expected failures, described for users. Other exceptions are bugs and keep their traceback."""

from __future__ import annotations

from typing import Final

# missing module -> the extra that installs it
_EXTRAS: Final = {
    **dict.fromkeys(("jinja2", "rich", "typer"), "cli"),
    **dict.fromkeys(
        (
            "cryptography",
            "grpc_health",
            "grpc_reflection",
            "joserfc",
            "onnxruntime",
            "platformdirs",
            "prometheus_client",
        ),
        "serve",
    ),
    **dict.fromkeys(
        ("google_crc32c", "matplotlib", "scipy", "sklearn", "tensorboard", "torch", "tqdm"), "train"
    ),
    **dict.fromkeys(("onnx", "onnxscript"), "export"),
    "c2pa": "marks",
    "tritonclient": "serve",
}
# parts of motioncast in separate distributions -> the extra that installs them
_PARTS: Final = {
    **dict.fromkeys(
        (
            "inference",
            "keypoint",
            "model_server",
            "orchestrator",
            "predictor",
            "relay",
            "serving",
            "local",
            "synthesis",
            "tracing",
            "triton",
        ),
        "serve",
    ),
    **dict.fromkeys(
        ("data", "evaluate", "laboratory", "metrics", "models", "paper", "train"), "train"
    ),
    "export": "export",
}


class CommandError(Exception):
    """A command cannot continue; the text is one sentence for the user."""


def explain(error: Exception) -> str | None:
    """Returns the sentence for an expected failure, None for a bug."""
    if isinstance(error, ModuleNotFoundError):
        package, _, inside = (error.name or "").partition(".")
        extra = _EXTRAS.get(package)
        if package == "motioncast" and (extra := _PARTS.get(inside.partition(".")[0])):
            package = f"motioncast.{inside.partition('.')[0]}"
        return extra and f"this needs {package}: pip install 'motioncast[{extra}]'"
    if isinstance(error, OSError):
        if error.filename and error.strerror:
            return f"{error.filename}: {error.strerror}"
        return error.strerror or str(error)
    # motioncast's own exceptions are raised on purpose, with a sentence for the user.
    if type(error).__module__.startswith("motioncast."):
        return str(error)
    return None
