"""Analyses a VRNN's latent variable: likelihood, use of each dimension, samples, and its path.

The path is that of the posterior means z_t over true keypoints, without frame 0 (nothing has been
seen before it). Kernel PCA draws it in the plane, as in the paper's Figure 2, and the paper's two
properties are checked numerically (metrics/manifold.py). The path of the recurrent state h_t is
shown as well: z_t encodes what h_{t-1} does not contain yet, so a frame is described by both.

Shapes: C clips, T frames, K keypoints, Z latent, P samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from motioncast.metrics.keypoints import diversity
from motioncast.metrics.likelihood import interval_coverage, likelihood_bound
from motioncast.models.predictors.checkpoint import load_predictor
from motioncast.models.predictors.gap_filling import sampled
from motioncast.models.predictors.vrnn import VRNN
from motioncast.paper.entrants import Entrant
from motioncast.paper.metrics.latent import latent_path, latent_use
from motioncast.paper.metrics.manifold import (
    Distinctness,
    Lipschitz,
    Neighbourhoods,
    distinctness,
    kernel_pca,
    lipschitz,
    neighbourhoods,
)

COVERAGE_LEVEL = 0.9
SAMPLES_FOR_COVERAGE = 19  # the fewest for which a 90 % interval can be stated
LIKELIHOOD_DRAWS = 4
NEIGHBOURS = 5
PATHS = 4  # as in the paper's Figure 2

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LatentFigures:
    """One initialisation of the VRNN, over all clips."""

    seed: int | None
    nll_bound: float  # nats per coordinate and frame, of displacements in units
    reconstruction: float  # in the same unit, as is the next
    kl: float
    kl_per_dimension: tuple[float, ...]  # nats per frame, (Z,)
    active_dimensions: int
    diversity_pixels: float | None  # average pairwise distance of samples, predicted frames, at 256
    coverage: float | None  # of stated 90 % intervals, predicted frames
    interval_pixels: float | None  # their mean width at 256


@dataclass(frozen=True, slots=True)
class LatentPathPicture:
    """A path through one clip in the plane, and how well it preserves the clip's structure."""

    clip: str
    space: Literal["z", "h"]  # latent variable or recurrent state
    coordinates: Array  # (T - 1, 2)
    explained: tuple[float, ...]  # share of the variance per axis
    distinctness: Distinctness  # P1
    neighbourhoods: Neighbourhoods  # P2, X the keypoints
    neighbourhoods_pixels: Neighbourhoods  # P2, X the frames
    lipschitz: Lipschitz  # of z over X, X the keypoints


def load_vrnns(entrants: Iterable[Entrant]) -> list[tuple[int | None, VRNN]]:
    """Returns the networks of all entrants that are VRNNs."""
    models = []
    for entrant in entrants:
        if entrant.kind == "vrnn" and entrant.checkpoint is not None:
            model = load_predictor(entrant.checkpoint)
            if isinstance(model, VRNN):
                models.append((entrant.seed, model))
    return models


def latent_figures(
    models: Sequence[tuple[int | None, VRNN]],
    keypoints: Tensor,
    mask: Tensor,
    samples: int,
    seed: int = 0,
) -> list[LatentFigures]:
    """Measures every VRNN on true keypoints (C, T, K, 3), of which `mask` (T,) is observed.

    Diversity is None with fewer than two samples, coverage with fewer than 19.
    """
    found = []
    for number, model in tqdm(models, desc="latents", unit="network"):
        generator = torch.Generator().manual_seed(seed)
        shape = (LIKELIHOOD_DRAWS, *keypoints.shape[:2], model.sizes.latent)
        bound = likelihood_bound(model, keypoints, torch.randn(shape, generator=generator))
        use = latent_use(latent_path(model, keypoints))
        spread, covered, width = _sample(model, keypoints, mask, samples, generator)
        found.append(
            LatentFigures(
                seed=number,
                nll_bound=float(bound.nll.mean()),
                reconstruction=float(bound.reconstruction.mean()),
                kl=float(bound.kl.mean()),
                kl_per_dimension=tuple(use.kl_nats.tolist()),
                active_dimensions=use.active,
                diversity_pixels=spread,
                coverage=covered,
                interval_pixels=width,
            )
        )
    return found


def latent_pictures(
    model: VRNN, clip: str, keypoints: Tensor, frames: npt.NDArray[np.uint8]
) -> list[LatentPathPicture]:
    """Embeds the paths of z and h over a clip (T, K, 3), T >= 12; skips a path that stands still.

    frames: (T, S, S, 3), the X of the paper's properties.
    """
    inputs = keypoints[1:].flatten(1).double().numpy()  # (T - 1, 3K)
    pixels = frames[1:].reshape(len(inputs), -1).astype(np.float64) / 255
    latent = latent_path(model, keypoints.unsqueeze(0)).posterior.mean[0]  # (T, Z)
    spaces: dict[Literal["z", "h"], Tensor] = {"z": latent, "h": _hidden(model, keypoints)}
    pictures = []
    for space, whole in spaces.items():
        path = whole[1:].double().numpy()
        try:
            embedding, bound = kernel_pca(path), lipschitz(inputs, path)
        except ValueError:
            continue
        pictures.append(
            LatentPathPicture(
                clip=clip,
                space=space,
                coordinates=embedding.coordinates,
                explained=tuple(embedding.explained.tolist()),
                distinctness=distinctness(path),
                neighbourhoods=neighbourhoods(inputs, path, NEIGHBOURS),
                neighbourhoods_pixels=neighbourhoods(pixels, path, NEIGHBOURS),
                lipschitz=bound,
            )
        )
    return pictures


@torch.inference_mode()
def _hidden(model: VRNN, keypoints: Tensor) -> Tensor:
    """Returns h_t (T, H) after every frame, on the mean path."""
    frames = len(keypoints)
    run = model.unroll(
        keypoints.unsqueeze(0),
        keypoints.new_ones(1, frames),
        keypoints.new_zeros(1, frames, model.sizes.latent),
        keypoints.new_zeros(1, model.state_size),
    )
    after = torch.cat([run.states[:, 1:], run.next_state.unsqueeze(1)], dim=1)
    return model.recall(after).hidden[0]


def _sample(
    model: VRNN, keypoints: Tensor, mask: Tensor, samples: int, generator: torch.Generator
) -> tuple[float | None, float | None, float | None]:
    missing = ~mask
    if samples < 2 or not missing.any():
        return None, None, None
    paths = sampled(model, generator, samples)(keypoints, mask)[:, :, missing]  # (P, C, N, K, 3)
    spread = float(diversity(paths).pixels.mean())
    if samples < SAMPLES_FOR_COVERAGE:
        return spread, None, None
    coverage = interval_coverage(paths, keypoints[:, missing], COVERAGE_LEVEL)
    return spread, float(coverage.covered.mean()), float(coverage.width_pixels.mean())
