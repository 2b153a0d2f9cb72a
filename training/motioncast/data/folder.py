"""Selects the files of a data folder: all of a kind, or those named on a split list."""

from collections.abc import Collection, Sequence
from pathlib import Path


def data_files(folder: Path, suffixes: Collection[str], names: Path | None = None) -> list[Path]:
    """Lists the files directly below `folder` with one of `suffixes`, in order of their names.

    With `names`, a split list, only the files on it. Raises FileNotFoundError when the folder has
    none, or lacks one of the listed files.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"data: {folder} is not a folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not found:
        expected = ", ".join(sorted(suffixes))
        raise FileNotFoundError(
            f"data: {folder} contains no videos (expected {expected}){_where_else(folder)}"
        )
    return found if names is None else _listed(found, folder, names)


def read_names(path: Path) -> list[str]:
    """Returns the names on a split list: one per line; empty lines and those with # are ignored.

    Raises FileNotFoundError when there is no such list, ValueError when it names nothing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"data: the list {path} is not a file")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"data: the list {path} is not UTF-8 text") from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise ValueError(f"data: the list {path} names no files")
    return names


def _listed(found: Sequence[Path], folder: Path, names: Path) -> list[Path]:
    by_name: dict[str, list[Path]] = {}
    for path in found:
        for name in {path.name, path.stem}:
            by_name.setdefault(name, []).append(path)
    chosen = set()
    for name in read_names(names):
        paths = by_name.get(name, [])
        if not paths:
            raise FileNotFoundError(f"data: {names} names {name!r}, which is not in {folder}")
        if len(paths) > 1:
            several = ", ".join(path.name for path in paths)
            raise ValueError(
                f"data: {names} names {name!r}, which matches several files: {several}"
            )
        chosen.add(paths[0])
    return sorted(chosen)


def _where_else(folder: Path) -> str:
    """Suggests root/{train,test} when the root was given."""
    parts = [name for name in ("train", "test") if (folder / name).is_dir()]
    return f"; did you mean {' or '.join(str(folder / name) for name in parts)}?" if parts else ""
