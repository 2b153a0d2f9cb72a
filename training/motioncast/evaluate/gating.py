"""Measures gating: a sender that knows the receiver's forecast sends only frames it misses.

    sent(t) = 1 where max over keypoints of w_k |(x, y)_forecast - (x, y)_true| > bound,
              at the first frame, and 32 frames after the last one sent

Sender and receiver run the same predictor on the frames sent, so nothing else has to be
transmitted. The better the predictor, the fewer frames are sent at the same bound. Weights w_k
(mean 1) give lips and lids, which people look at, a tighter bound than hair.

Shapes: C clips, B clips in parallel, T frames, K keypoints (x, y, intensity), S state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from motioncast.evaluate.markdown import table
from motioncast.metrics.keypoints import keypoint_distance
from motioncast.models.predictors.checkpoint import load_predictor
from motioncast.models.predictors.gap_filling import Predictor
from motioncast.models.predictors.recurrent import RecurrentPredictor
from motioncast.models.predictors.registry import NETWORKS, RULES

BOUNDS_PIXELS = (2.0, 4.0, 8.0)  # at 256, of the weighted distance
LONGEST_GAP = 32  # frames; after that one is sent anyway
HISTORY = 2  # frames that a simple predictor looks back on

Gate = Callable[[Tensor, Tensor], Tensor]  # forecast and truth (B, K, 3) -> (B,), whether to send


@dataclass(frozen=True, slots=True)
class GatingLine:
    """The share of frames sent with one kind of predictor, mean over clips."""

    predictor: str
    bound_pixels: float
    sent: float


def gate(bound_pixels: float, weights: Sequence[float] = ()) -> Gate:
    """Returns the rule for sending a frame; without weights all keypoints count equally."""
    each = torch.tensor(weights or [1.0])
    each = each / each.mean()

    def passes(forecast: Tensor, truth: Tensor) -> Tensor:
        distance = keypoint_distance(forecast, truth) * each  # (B, K)
        return distance.amax(dim=-1) > bound_pixels

    return passes


def sent_by_network(model: RecurrentPredictor, clips: Sequence[Tensor], gate: Gate) -> Tensor:
    """Returns the share of frames sent of every clip (T, K, 3): (C,)."""
    frames = max(map(len, clips))
    padded = torch.stack(
        [torch.cat([clip, clip[-1:].expand(frames - len(clip), -1, -1)]) for clip in clips]
    )
    noise = padded.new_zeros(len(clips), model.sizes.latent)
    state = padded.new_zeros(len(clips), model.state_size)
    gap, sent = torch.zeros(len(clips)), torch.zeros(len(clips), frames)
    with torch.inference_mode():
        for t in range(frames):
            truth = padded[:, t]
            unseen = torch.zeros(len(clips))
            forecast, blind = model.step(truth, unseen, noise, state)
            sends = gate(forecast, truth) | (gap + 1 >= LONGEST_GAP) | (t == 0)
            _, informed = model.step(truth, torch.ones(len(clips)), noise, state)
            state = torch.where(sends[:, None], informed, blind)
            gap = torch.where(sends, 0.0, gap + 1)
            sent[:, t] = sends.float()
    lengths = [len(clip) for clip in clips]
    return torch.stack([sent[i, :length].mean() for i, length in enumerate(lengths)])


def sent_by_rule(predictor: Predictor, clips: Sequence[Tensor], gate: Gate) -> Tensor:
    """Returns the same for a predictor that reads only the last two frames sent."""
    return torch.tensor([_share(predictor, clip, gate) for clip in clips])


def gating_lines(
    files: Mapping[str, Sequence[Path]],
    clips: Sequence[Tensor],
    bounds: Sequence[float] = BOUNDS_PIXELS,
    weights: Sequence[float] = (),
) -> list[GatingLine]:
    """Measures hold, damped and the checkpoints of every kind at every bound.

    The vector autoregression, fitted to regular patterns, cannot follow a gate and is left out.
    """
    lines = []
    for bound in bounds:
        rule = gate(bound, weights)
        for name in ("hold", "damped"):
            share = sent_by_rule(RULES[name], clips, rule)
            lines.append(GatingLine(name, bound, float(share.mean())))
        for kind, paths in files.items():
            if kind not in NETWORKS:
                continue
            shares = [sent_by_network(load_predictor(path), clips, rule) for path in paths]
            lines.append(GatingLine(kind, bound, float(torch.stack(shares).mean())))
    return lines


def gating_table(lines: Sequence[GatingLine]) -> str:
    """Formats shares as a Markdown table, a column for every bound."""
    bounds = list(dict.fromkeys(line.bound_pixels for line in lines))
    rows = []
    for name in dict.fromkeys(line.predictor for line in lines):
        own = [line for line in lines if line.predictor == name]
        rows.append([name, *(f"{line.sent:.3f}" for line in own)])
    return table(["bound", *(f"{bound:g}" for bound in bounds)], rows)


def _share(predictor: Predictor, clip: Tensor, gate: Gate) -> float:
    sent = [0]
    for t in range(1, len(clip)):
        recent = sent[-HISTORY:]
        frames = clip[recent[0] : t + 1][None]
        observed = torch.zeros(frames.shape[1], dtype=torch.bool)
        observed[[index - recent[0] for index in recent]] = True
        forecast = predictor(frames, observed)[:, -1]
        if t - sent[-1] >= LONGEST_GAP or bool(gate(forecast, clip[t : t + 1])):
            sent.append(t)
    return len(sent) / len(clip)
