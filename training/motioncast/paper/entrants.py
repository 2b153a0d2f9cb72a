"""The entrants of an experiment: the simple predictors and the checkpoints of a folder.

A checkpoint `<kind>_<seed>.pt` is one initialisation of a learned predictor; `<kind>.pt` is a
predictor that has no seed (the vector autoregression).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motioncast.models.predictors.checkpoint import load_forecaster, predictor_files
from motioncast.models.predictors.gap_filling import Predictor
from motioncast.models.predictors.registry import ORDER, RULES


class EntrantsError(ValueError):
    """Raised when a folder holds no predictors to compare; the message names it."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One initialisation of one kind of predictor."""

    kind: str
    seed: int | None  # None: nothing about it is random
    predictor: Predictor
    checkpoint: Path | None = None

    @property
    def name(self) -> str:
        """Returns kind and seed in one word."""
        return self.kind if self.seed is None else f"{self.kind}_{self.seed}"


def load_entrants(folder: Path | None, initialisations: int | None = None) -> list[Entrant]:
    """Returns the predictors of a folder and the simple ones, in the order of the tables.

    The first `initialisations` seeds of every learned kind take part, by default all of them.
    Raises EntrantsError when the folder is missing or holds too few of a kind, and
    PredictorCheckpointError when it holds none.
    """
    entrants = [Entrant(kind, None, predictor) for kind, predictor in RULES.items()]
    if folder is not None:
        entrants += _of_folder(folder, initialisations)
    return sorted(entrants, key=lambda entrant: (_rank(entrant.kind), entrant.seed or 0))


def kinds(entrants: Sequence[Entrant]) -> list[str]:
    """Returns every kind once, in order."""
    return list(dict.fromkeys(entrant.kind for entrant in entrants))


def _of_folder(folder: Path, initialisations: int | None) -> list[Entrant]:
    if not folder.is_dir():
        raise EntrantsError(f"predictors: {folder} is not a folder")
    entrants = []
    for kind, paths in predictor_files(folder).items():
        seeds = [int(number) if number else None for _, _, number in map(_parts, paths)]
        if None not in seeds and len(paths) < (initialisations or 1):
            raise EntrantsError(
                f"predictors: {folder} contains {len(paths)} initialisations of {kind}"
                f" ({initialisations} requested)"
            )
        chosen = list(zip(seeds, paths, strict=True))[:initialisations]
        entrants += [Entrant(kind, seed, load_forecaster(path), path) for seed, path in chosen]
    return entrants


def _parts(path: Path) -> tuple[str, str, str]:
    return path.stem.partition("_")


def _rank(kind: str) -> int:
    return ORDER.index(kind)
