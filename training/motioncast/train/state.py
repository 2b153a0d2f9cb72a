"""The state of a training of detector and synthesis network, shared by all kinds of it."""

import copy
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from motioncast.data.pairs import Batch
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.parallel import ALONE, Processes
from motioncast.train.precision import Stepper
from motioncast.train.settings import Precision, SynthesisSettings


class SynthesisTraining(ABC):
    """Networks, their running average, optimiser, step and clock of one training."""

    precision_on_cpu: ClassVar[Precision]

    def __init__(
        self,
        model: MotionTransfer,
        settings: SynthesisSettings,
        processes: Processes = ALONE,
    ) -> None:
        if (settings.steps is None) == (settings.minutes is None):
            raise ValueError("training: expected a length either in steps or in minutes")
        if (settings.steps or settings.minutes or 0) <= 0:
            raise ValueError("training: its length must be positive")
        self.settings = settings
        self.processes = processes
        self.stepper = Stepper(settings.precision, processes, self.precision_on_cpu)
        if processes.count > 1 and processes.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        self.model = _channels_last_weights(model).to(processes.device)
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.optimiser = torch.optim.Adam(model.parameters(), betas=(0.5, 0.999), fused=True)
        self.step = 0
        self.seconds = 0.0
        self.frozen = False

    def progress(self) -> float:
        """Returns the share of the training that is over, 1 or more when it is done."""
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        assert self.settings.minutes is not None
        return self.seconds / (60 * self.settings.minutes)

    def learn(self, batch: Batch) -> dict[str, float]:
        """Takes one step on this process's part of a batch; returns the mean loss terms of all."""
        began = time.monotonic()
        self.model.train()
        if self.frozen or self.progress() >= self.settings.freeze_detector:
            self.freeze_detector()
        if self.progress() >= self.settings.freeze_statistics:
            _use_running_statistics(self.model)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        terms = self.descend(type(batch)(*(part.to(self.processes.device) for part in batch)))
        self.processes.average_buffers(self.model)
        self.step += 1
        self._update_average()
        means = self.processes.mean(torch.stack(list(terms.values())))
        self.seconds = self.processes.agree(self.seconds + time.monotonic() - began)
        return dict(zip(terms, means.tolist(), strict=True))

    def descend(self, batch: Batch) -> dict[str, Tensor]:
        """Takes one step on this process's part of the batch and returns the loss terms."""
        terms = self.losses(batch)
        trained = [value for value in self.model.parameters() if value.requires_grad]
        loss = torch.stack(list(terms.values())).sum()
        self.stepper.minimise(loss, self.optimiser, trained, self.settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

    def freeze_detector(self) -> None:
        """Freezes the detector at its running average."""
        if not self.frozen:
            self.frozen = True
            self.model.detector.load_state_dict(self.average.detector.state_dict())
            self.model.detector.requires_grad_(False)
        self.model.detector.eval()

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the terms whose sum is minimised."""

    @abstractmethod
    def learning_rate(self) -> float:
        """Returns the learning rate of the next step."""

    def state(self) -> dict[str, Any]:
        """Returns everything that resuming needs."""
        return {
            "configuration": self.model.configuration.name,
            "settings": asdict(self.settings),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "frozen": self.frozen,
            "scaler": self.stepper.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continues from a state, keeping the current settings."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.stepper.load_state(state.get("scaler", {}))
        self.step, self.seconds = state["step"], state["seconds"]
        if state["frozen"]:
            self.freeze_detector()

    def save(self, path: Path) -> None:
        """Writes the state atomically."""
        unfinished = path.with_name(path.name + ".part")
        torch.save(self.state(), unfinished)
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Continues from a saved state; ValueError if it is of another configuration."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["configuration"] != self.model.configuration.name:
            raise ValueError(
                f"is a training of {state['configuration']}, not {self.model.configuration.name}"
            )
        self.load_state(state)

    def _update_average(self) -> None:
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        averaged = dict(self.average.named_parameters())
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    averaged[name].lerp_(parameter, 1 - decay)
            for mine, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
                mine.copy_(current)


def channels_last(images: Tensor) -> Tensor:
    """Converts images to the layout that CPU convolutions prefer; the values are unchanged."""
    return images.contiguous(memory_format=torch.channels_last)


def _use_running_statistics(model: MotionTransfer) -> None:
    """Makes batch norm behave as after training, independent of the batch's composition.

    Except for the detector's heights (BatchNorm1d), which would collapse to a constant.
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def _channels_last_weights(model: MotionTransfer) -> MotionTransfer:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = channels_last(layer.weight.data)
    return model
