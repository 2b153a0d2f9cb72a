"""A VRNN with a siMLPe beside it: the displacement that it forecasts is the sum of both networks'.

    forecast_t = clamp(x_{t-1} + unit * (slope * v_{t-1} + d_t + siMLPe's displacement))

The two err differently. A VRNN remembers all of a session and follows speech well; siMLPe knows ten
frames alone and has a hundredth of the parameters, and does better on people who begin and end at
rest. The mean of two forecasts is better than either (Bates and Granger 1969): `mean_of` makes one
network of two trained ones, which can be trained further as any VRNN.

Shapes: B batch, K keypoints (x, y, intensity), Z latent, H hidden of the VRNN, W of siMLPe.
"""

from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from motioncast.models.predictors.coordinates import as_keypoints
from motioncast.models.predictors.recurrent import (
    Advance,
    Memory,
    MotionStatistics,
    PredictorSizes,
    RecurrentPredictor,
)
from motioncast.models.predictors.simlpe import SiMLPe
from motioncast.models.predictors.vrnn import VRNN


class WindowedVRNN(VRNN):
    """Adds what siMLPe forecasts to the displacement of a VRNN."""

    def __init__(self, sizes: PredictorSizes, statistics: MotionStatistics | None = None) -> None:
        super().__init__(sizes, statistics)
        self.window = SiMLPe(replace(sizes, features=sizes.window_features), statistics)

    @property
    def hidden_size(self) -> int:
        """H + W: the VRNN's hidden state followed by siMLPe's."""
        return self.sizes.hidden + self.window.hidden_size

    def own(self, memory: Memory) -> Tensor:
        """Returns the VRNN's part of the hidden state, (..., H)."""
        return memory.hidden[..., : self.sizes.hidden]

    def drift(self, memory: Memory) -> Tensor:
        """Returns what does not come from the VRNN: both slopes and siMLPe's forecast."""
        reading = self._reading(memory)
        ahead = self.window.plan(reading.hidden).ahead[..., 0, :]
        read = as_keypoints(self.window.expand(ahead)) + self.window.drift(reading)
        return super().drift(memory) + read

    def advance(
        self, memory: Memory, keypoints: Tensor, observed: Tensor, noise: Tensor
    ) -> Advance:
        """Forecasts and processes one frame (see RecurrentPredictor); the noise draws z_t."""
        advance = super().advance(memory, keypoints, observed, noise)
        reading = self.window.absorb(self._reading(memory), advance.current, observed)
        return advance._replace(hidden=torch.cat([advance.hidden, reading], dim=-1))

    def silence(self) -> None:
        """Makes both networks forecast no displacement."""
        super().silence()
        self.window.silence()

    def _reading(self, memory: Memory) -> Memory:
        return memory._replace(hidden=memory.hidden[..., self.sizes.hidden :])


def mean_of(vrnn: VRNN, simlpe: SiMLPe) -> WindowedVRNN:
    """Returns a network that forecasts the mean of two, not calibrated.

    Raises ValueError if they were not trained on the same tracks in the same way: their motion
    statistics, inputs or sizes differ.
    """
    sizes = replace(
        vrnn.sizes,
        window_features=simlpe.sizes.features,
        window=simlpe.sizes.window,
        block=simlpe.sizes.block,
        layers=simlpe.sizes.layers,
    )
    alike = ("keypoints", "inputs", "components")
    if different := [name for name in alike if getattr(sizes, name) != getattr(simlpe.sizes, name)]:
        raise ValueError(f"the predictors differ in {', '.join(different)}")
    if type(vrnn) is not VRNN:
        raise ValueError("the first predictor is not a VRNN alone")
    statistics, others = _statistics(vrnn), _statistics(simlpe)
    for name, value in statistics.items():
        if not torch.equal(value, others[name]):
            raise ValueError(f"the predictors were trained on different tracks ({name} differs)")
    both = WindowedVRNN(sizes, MotionStatistics(**statistics))
    both.load_state_dict(vrnn.state_dict(), strict=False)
    both.window.load_state_dict(simlpe.state_dict())
    both.factors.zero_()
    with torch.no_grad():
        decoder = both.decoder_network[-1]
        assert isinstance(decoder, nn.Linear)
        for parameter in (decoder.weight, decoder.bias):
            parameter[: both.code_size].div_(2)
        for parameter in (both.window.leave.weight, both.window.leave.bias):
            parameter.div_(2)
        if not both.reads_positions:
            both.slope.div_(2)
            both.window.slope.div_(2)
    return both.eval()


def _statistics(model: RecurrentPredictor) -> dict[str, Tensor]:
    names = [field.name for field in fields(MotionStatistics)]
    return {name: value for name, value in model.named_buffers() if name in names}
