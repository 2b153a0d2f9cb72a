"""The user's own models: in a folder of the user, served alongside the shipped ones.

    user_models()     where they are written: ~/.local/share/motioncast/models on Linux
    joined(shipped)   one folder of links to both, which every engine reads as a repository

Nothing is ever written to an installed package.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path, user_data_path

from motioncast.wire.errors import InvalidInputError

USER_VARIABLE: Final = "MOTIONCAST_USER_MODELS"
_CONFIG: Final = "config.pbtxt"


def user_models() -> Path:
    """Returns the folder of the user's own models, which may not exist.

    It is MOTIONCAST_USER_MODELS if that is set, otherwise the system's folder for such data.
    """
    named = os.environ.get(USER_VARIABLE)
    if named:
        return Path(named)
    return user_data_path("motioncast", appauthor=False) / "models"


def joined(shipped: Path) -> Path:
    """Returns a repository of the shipped models and the user's own; `shipped` if there are none.

    The folder is in the user's cache and contains only links. Every call updates it, so that a
    running server can load a model created meanwhile. If two models have the same name, the shipped
    one is used.

    Raises:
        InvalidInputError: Links cannot be created there.
    """
    own = _models(user_models())
    if not own:
        return shipped
    models = own | _models(shipped)
    key = hashlib.sha256(f"{shipped}\n{user_models()}".encode()).hexdigest()[:16]
    view = user_cache_path("motioncast", appauthor=False) / "repositories" / key
    try:
        view.mkdir(parents=True, exist_ok=True)
        for link in view.iterdir():
            if link.name not in models or link.resolve() != models[link.name].resolve():
                link.unlink(missing_ok=True)
        for name, folder in models.items():
            with contextlib.suppress(FileExistsError):  # another process may have been faster
                (view / name).symlink_to(folder.resolve(), target_is_directory=True)
    except OSError as error:
        problem = f"cannot link your own models and the shipped ones in {view}: "
        raise InvalidInputError.of("repository", f"{problem}{error.strerror}") from error
    return view


def _models(folder: Path) -> dict[str, Path]:
    """Returns the folders of models by name."""
    return {config.parent.name: config.parent for config in folder.glob(f"*/{_CONFIG}")}
