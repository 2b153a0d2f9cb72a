"""Mixed precision: the type that networks compute in, and loss scaling for float16.

float16 has no gradients below 6e-8, so the loss is scaled up before the backward pass and the
gradients down after it; a step whose gradients overflow is skipped and the scale halved.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from motioncast.train.parallel import Processes
from motioncast.train.settings import Precision


class Stepper:
    """Takes optimiser steps in one precision; several optimisers may share it."""

    def __init__(self, precision: Precision, processes: Processes, on_cpu: Precision) -> None:
        """Resolves "auto": `on_cpu` on a CPU; on a GPU bfloat16, or float16 if unsupported."""
        self.processes = processes
        self.dtype = _dtype(precision, processes.device, on_cpu)
        device = processes.device.type
        self.scaler = torch.amp.GradScaler(device, enabled=self.dtype == torch.float16)

    def autocast(self) -> AbstractContextManager[object]:
        """Runs the `with` block in the precision, where that is safe."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.processes.device.type, self.dtype)

    def minimise(
        self,
        loss: Tensor,
        optimiser: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        clip_norm: float,
    ) -> None:
        """Takes one step on the mean loss of all processes, with its gradient norm clipped."""
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        self.processes.average_gradients(parameters)
        self.scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self.scaler.step(optimiser)
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """Returns what resuming needs; empty except for float16."""
        return self.scaler.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from a state; one saved in another precision is ignored."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)


def _dtype(precision: Precision, device: torch.device, on_cpu: Precision) -> torch.dtype:
    if precision == "auto":
        if device.type == "cpu":
            precision = on_cpu
        else:
            precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }[precision]
