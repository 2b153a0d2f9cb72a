"""Training with several processes: torchrun starts them, torch.distributed synchronises them.

    torchrun --nproc-per-node 4 -m motioncast.train.synthesis --config paper64_nemo ...

Every process holds the whole model, takes its own part of the same batch, and applies the mean of
all gradients; so the models stay equal, and the step is that of one process with the whole batch.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist

CPU = torch.device("cpu")
PATIENCE = timedelta(hours=12)  # the others wait while the first decodes a dataset


@dataclass(frozen=True, slots=True)
class Processes:
    """The devices of a training: this process's device, and its rank among all processes."""

    device: torch.device = CPU
    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Returns whether this process writes logs and checkpoints."""
        return self.rank == 0

    def part(self, whole: Tensor, dim: int = 0) -> Tensor:
        """Returns this process's part of a batch, on its device.

        Raises ValueError when the batch does not divide evenly.
        """
        if whole.shape[dim] % self.count:
            raise ValueError(
                f"batch: {whole.shape[dim]} samples cannot be divided equally"
                f" among {self.count} processes"
            )
        return whole.chunk(self.count, dim)[self.rank].to(self.device)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over all processes."""
        self._average([value.grad for value in parameters if value.grad is not None])

    def average_buffers(self, module: nn.Module) -> None:
        """Replaces the running statistics of batch norm by their mean over all processes."""
        self._average([value for value in module.buffers() if value.is_floating_point()])

    def mean(self, value: Tensor) -> Tensor:
        """Returns the mean of a tensor over all processes."""
        mean = value.detach().clone()
        self._average([mean])
        return mean

    def agree(self, value: float) -> float:
        """Returns the first process's value: clocks differ, and all must stop at the same step."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return shared.item()

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Lets the first process through alone; the others then find its results in the cache."""
        if self.count > 1 and not self.leads:
            dist.barrier()
        yield
        if self.count > 1 and self.leads:
            dist.barrier()

    def _average(self, tensors: list[Tensor]) -> None:
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([value.flatten() for value in tensors])  # one message, not hundreds
        dist.all_reduce(flat)
        flat /= self.count
        means = torch.split(flat, [value.numel() for value in tensors])
        with torch.no_grad():
            for value, mean in zip(tensors, means, strict=True):
                value.copy_(mean.view_as(value))


ALONE = Processes()


@contextmanager
def joined(device: str = "auto") -> Iterator[Processes]:
    """Joins the processes started by torchrun, if any, for the duration of a `with` block."""
    if not dist.is_torchelastic_launched():
        yield Processes(choose_device(device))
        return
    chosen = choose_device(device, int(os.environ["LOCAL_RANK"]))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(chosen, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def choose_device(name: str, index: int = 0) -> torch.device:
    """Returns the device for auto, cpu or cuda; ValueError when there is no GPU to use."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if index >= gpus:
        raise ValueError(f"device: no GPU for process {index} (PyTorch finds {gpus})")
    return torch.device("cuda", index)
