"""The losses of predictors: the free-running forecast error, and the paper's ELBO (VRNN).

    total = objective + spread weight * mean (log s_t + |forecast_t - x_t| / (unit * s_t))

    free_running  mean over steps of  sum_k w_h |forecast_t - x_t| / unit   -   weight * ELBO_t
    elbo          the paper's loss alone:  - ELBO_t,
                  ELBO_t = E_q[log p(x_t | z_<=t, x_<t)] - beta KL(q_t || p_t), summed over
                  coordinates, mean over steps
    rnn           Monkey-Net's own: mean over predicted steps of |forecast_t - x_t|
    simlpe        free_running, of whole blocks after some of the observed frames (block_loss)

The timeline of a training window alternates observed and predicted stretches, so the recurrence
learns both to run on its own output and to resume from the truth. h is the number of frames since
the last observed one; w_h = h^-1/2 prevents distant horizons, whose errors are larger, from
dominating near ones. The ELBO alone is teacher-forced: all frames are observed (Chung et al. 2015).
The second term, a Laplace likelihood of the forecast's error, trains only the spread s_t of a VRNN:
its gradient reaches neither the forecast nor the recurrence.

Shapes: B batch, T time, K keypoints, Z latent, S state (of `unroll`) or samples (of noise).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from motioncast.models.predictors.coordinates import clamp_keypoints
from motioncast.models.predictors.gru import MonkeyNetGRU
from motioncast.models.predictors.recurrent import RecurrentPredictor, Unrolled
from motioncast.models.predictors.simlpe import SiMLPe
from motioncast.models.predictors.vrnn import VRNN
from motioncast.train.settings import Count, Share

# Observed:predicted stretches: the paper's 1:1 and 5:27, the evaluation's 10:12, and others.
PATTERNS = ((1, 1), (1, 3), (2, 3), (5, 5), (5, 27), (10, 12), (10, 22))
INTENSITY_WEIGHT = 0.5  # relative to x and y
STARTS = 4  # maximum number of blocks forecast per training window
FINAL_TRUE_INPUTS = (0.1, 0.5)  # of observed and predicted frames (Minderer et al. 2019)


@dataclass(frozen=True, slots=True)
class LossWeights:
    """The objective and the weights of its terms."""

    objective: Literal["free_running", "elbo"] = "free_running"
    elbo: float = 0.1  # added to the free-running error, per coordinate
    beta: float = 0.1  # of the KL divergence within the ELBO; 1 is the paper's bound
    kl_annealing: Share = 0.0  # share of the training over which beta rises from 0
    scheduled_sampling: Share = 0.0  # share over which true inputs become rarer; 0 disables it
    spread: float = 0.1  # of the likelihood of the forecast's error, added to either objective
    keypoints: tuple[float, ...] = ()  # relative weight of each keypoint's error; empty: all equal
    best_of: Count = 1  # trains only the best of this many sampled paths


class LossTerms(NamedTuple):
    """The loss and its terms, as scalars; terms the objective does not have are 0."""

    total: Tensor
    forecast: Tensor  # weighted L1 error
    log_likelihood: Tensor  # nats per step
    kl: Tensor  # nats per step


def loss_terms(
    model: RecurrentPredictor,
    keypoints: Tensor,
    observed: Tensor,
    noise: Tensor,
    weights: LossWeights,
    progress: float = 1.0,
    draws: Tensor | None = None,
) -> LossTerms:
    """Returns the loss of windows (B, T, K, 3) whose first frame is observed, and its terms.

    Args:
        model: in training mode.
        keypoints: (B, T, K, 3), the truth of every frame.
        observed: (B, T), 1 where the pattern observes a frame.
        noise: standard normal; (B, T, Z) draws from the posterior alone, while the forecast
            follows the mean path; (S, B, T, Z) draws S whole paths (best_of).
        weights: what is minimised.
        progress: share of the training that is over, in [0, 1].
        draws: (B, T), uniform in [0, 1); required by scheduled sampling.

    Raises:
        ValueError: the objective is the ELBO, and the model has none.
    """
    if weights.objective == "elbo" and not isinstance(model, VRNN):
        raise ValueError("objective: 'elbo' needs a predictor with a latent variable (vrnn)")
    fed = true_inputs(observed, weights, progress, draws)
    if noise.dim() == 4:
        paths = len(noise)
        keypoints, fed = keypoints.repeat(paths, 1, 1, 1), fed.repeat(paths, 1)
        noise = path_noise = noise.flatten(0, 1)  # (S B, T, Z)
    else:
        paths, path_noise = 1, noise * fed[..., None]
    nothing = keypoints.new_zeros(())
    if isinstance(model, SiMLPe):
        if draws is None:
            raise ValueError("draws: are needed by a model of blocks")
        forecast = block_loss(model, keypoints, fed, draws, weights.keypoints)
        return LossTerms(forecast, forecast.detach(), nothing, nothing)
    state = keypoints.new_zeros(len(keypoints), model.state_size)
    unrolled = model.unroll(keypoints, fed, path_noise, state)
    if isinstance(model, MonkeyNetGRU):
        forecast = monkey_net_loss(unrolled, keypoints, fed)
        return LossTerms(forecast, forecast.detach(), nothing, nothing)
    if weights.objective == "elbo":
        forecast = total = nothing
    else:
        forecast = total = forecast_loss(model, unrolled, keypoints, fed, paths, weights.keypoints)
    if not isinstance(model, VRNN):
        return LossTerms(total, forecast.detach(), nothing, nothing)
    elbo = model.elbo(keypoints, unrolled.states, noise)
    value = elbo.value(annealed_beta(weights, progress))[:, 1:].mean()
    if weights.objective == "elbo":
        total = -value
    else:
        total = total - weights.elbo * value / (3 * model.sizes.keypoints)
    total = total + weights.spread * spread_loss(model, unrolled, keypoints)
    return LossTerms(
        total=total,
        forecast=forecast.detach(),
        log_likelihood=elbo.log_likelihood[:, 1:].mean().detach(),
        kl=elbo.kl[:, 1:].mean().detach(),
    )


def forecast_loss(
    model: RecurrentPredictor,
    unrolled: Unrolled,
    keypoints: Tensor,
    observed: Tensor,
    paths: int = 1,
    of_keypoints: Sequence[float] = (),
) -> Tensor:
    """Returns the weighted L1 error in units, averaged over all steps but the first.

    With several paths, (paths * B, ...), only the best path of every batch element counts. Of the
    weights of keypoints (K), only the ratios matter.
    """
    error = (unrolled.forecast - keypoints).abs() / model.unit  # (B, T, K, 3)
    weight = coordinate_weights(model, of_keypoints)
    per_step = (error * weight).mean(dim=(-2, -1)) * horizons(observed).float().rsqrt()
    if paths == 1:
        return per_step[:, 1:].mean()
    return per_step[:, 1:].mean(dim=1).reshape(paths, -1).amin(dim=0).mean()


def block_loss(
    model: SiMLPe,
    keypoints: Tensor,
    observed: Tensor,
    draws: Tensor,
    of_keypoints: Sequence[float] = (),
) -> Tensor:
    """Returns the weighted L1 error, in units, of blocks that begin at some observed frames.

    Nothing is unrolled: unobserved frames of a window are replaced by the network's forecast from
    true frames. Before a window's first frame there is no motion, as at the start of a
    session. draws: (B, T), select the frames.
    """
    with torch.no_grad():
        known = own_output(model, keypoints, observed)
    batch, frames = observed.shape
    count = min(STARTS, frames - 1)
    start = (observed[:, :-1] * (1 + draws[:, :-1])).topk(count, dim=1).indices.flatten()
    element = torch.arange(batch, device=start.device).repeat_interleave(count)
    windows, masks = windows_before(model, known, observed)
    forecast = model.follow(windows[element, start], masks[element, start])  # (B S, N, K, 3)
    ahead = start[:, None] + 1 + torch.arange(model.sizes.block, device=start.device)  # (B S, N)
    truth = keypoints[element[:, None], ahead.clamp(max=frames - 1)]
    error = ((forecast - truth).abs() / model.unit * coordinate_weights(model, of_keypoints)).mean(
        dim=(-2, -1)
    )
    begins = observed[element, start][:, None]
    counts = (ahead < frames).to(error) * begins * (ahead - start[:, None]).to(error).rsqrt()
    return (error * counts).sum() / (counts > 0).sum().clamp(min=1)


def own_output(model: SiMLPe, keypoints: Tensor, observed: Tensor) -> Tensor:
    """Returns a timeline (B, T, K, 3) whose unobserved frames are forecast from true ones.

    Beyond the end of a block its last frame is repeated.
    """
    batch, frames = observed.shape
    windows, masks = windows_before(model, keypoints, torch.ones_like(observed))
    gaps = (observed[:, :-1] > 0) & (observed[:, 1:] == 0)  # (B, T - 1), frames before a gap
    if not bool(gaps.any()):
        return keypoints
    blocks = model.follow(windows[gaps], masks[gaps])  # (gaps, N, K, 3)
    block = gaps.flatten().cumsum(dim=0).reshape(batch, -1) - 1  # index of each gap's block
    horizon = horizons(observed)[:, 1:]  # (B, T - 1)
    last = torch.arange(frames - 1, device=horizon.device) + 1 - horizon
    own = blocks[block.gather(1, last).clamp(min=0), (horizon - 1).clamp(max=model.sizes.block - 1)]
    chosen = observed[:, 1:, None, None] > 0
    later = torch.where(chosen, keypoints[:, 1:], clamp_keypoints(own))
    return torch.cat([keypoints[:, :1], later], dim=1)


def windows_before(model: SiMLPe, keypoints: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the n + 1 frames up to every frame but the last, and the mask of the newer n.

    (B, T - 1, n + 1, K, 3) and (B, T - 1, n); padded in front with the first frame, unobserved.
    """
    window = model.sizes.window
    before = keypoints[:, :1].expand(-1, window, -1, -1)
    padded = torch.cat([before, keypoints[:, :-1]], dim=1)
    mask = torch.cat([observed.new_zeros(len(observed), window), observed[:, :-1]], dim=1)
    frames = padded.unfold(1, window + 1, 1).movedim(-1, 2)  # (B, T - 1, n + 1, K, 3)
    return frames, mask.unfold(1, window + 1, 1)[..., 1:]


def coordinate_weights(model: RecurrentPredictor, of_keypoints: Sequence[float]) -> Tensor:
    """Returns the weights of coordinates (K, 3), with keypoint weights normalised to mean 1."""
    weight = model.unit.new_tensor([1.0, 1.0, INTENSITY_WEIGHT]).expand_as(model.unit)
    if not of_keypoints:
        return weight
    each = weight.new_tensor(of_keypoints)  # (K,)
    return weight * (each / each.mean())[:, None]


def spread_loss(model: VRNN, unrolled: Unrolled, keypoints: Tensor) -> Tensor:
    """Returns -log p(error) of a Laplace density of scale `spread`, without its constant.

    Per coordinate, in units, averaged over all steps but the first.
    """
    error = (unrolled.forecast.detach() - keypoints).abs() / model.unit  # (B, T, K, 3)
    spread = model.spread(model.recall(unrolled.states.detach()))
    return (spread.log() + error / spread)[:, 1:].mean()


def monkey_net_loss(unrolled: Unrolled, keypoints: Tensor, observed: Tensor) -> Tensor:
    """Returns the L1 error of predicted frames only (Siarohin et al. 2019), mean over windows."""
    error = (unrolled.forecast - keypoints).abs().mean(dim=(-2, -1))  # (B, T)
    predicted = 1 - observed
    return ((error * predicted).sum(dim=1) / predicted.sum(dim=1).clamp(min=1)).mean()


def annealed_beta(weights: LossWeights, progress: float) -> float:
    """Returns the weight of the KL divergence: rising from 0 to beta, then constant."""
    if weights.kl_annealing == 0:
        return weights.beta
    return weights.beta * min(1.0, progress / weights.kl_annealing)


def true_inputs(
    observed: Tensor, weights: LossWeights, progress: float, draws: Tensor | None
) -> Tensor:
    """Returns where the network is fed the truth, (B, T) of 0 and 1; always at the first frame.

    Without scheduled sampling, that is where frames are observed (and everywhere for the ELBO).
    With it, the truth is fed everywhere at first, then at fewer and fewer frames; more often at
    predicted frames than at observed ones, as in Minderer et al. (2019).
    """
    if weights.scheduled_sampling == 0:
        return torch.ones_like(observed) if weights.objective == "elbo" else observed
    if draws is None:
        raise ValueError("draws: are needed by scheduled sampling")
    fallen = min(1.0, progress / weights.scheduled_sampling)
    if_observed, if_predicted = (1 - fallen * (1 - final) for final in FINAL_TRUE_INPUTS)
    fed = (draws < torch.where(observed > 0, if_observed, if_predicted)).to(observed)
    fed[:, 0] = 1.0
    return fed


def random_patterns(batch: int, frames: int, generator: torch.Generator) -> Tensor:
    """Draws which frames are observed, (B, T) of 0 and 1; the first one always is.

    Half of the timelines begin at the start of a pattern, the others anywhere within it.
    """
    draws = torch.rand(batch, 3, generator=generator)
    stretches = torch.tensor(PATTERNS)[(draws[:, 0] * len(PATTERNS)).long()]  # (B, 2)
    period = stretches.sum(dim=1)
    phase = (draws[:, 1] * period).long() * (draws[:, 2] < 0.5)
    position = (torch.arange(frames) + phase[:, None]) % period[:, None]  # (B, T)
    observed = (position < stretches[:, :1]).float()
    observed[:, 0] = 1.0
    return observed


def horizons(observed: Tensor) -> Tensor:
    """Returns the number of frames since the last observed one before each step, (B, T).

    It is 1 at the first step.
    """
    index = torch.arange(observed.shape[1], device=observed.device).expand_as(observed)
    last = torch.where(observed > 0, index, -1).cummax(dim=1).values
    before = torch.nn.functional.pad(last[:, :-1], (1, 0), value=-1)
    return index - before
