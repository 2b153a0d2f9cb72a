"""The recurrence shared by the networks here."""

import torch
from torch import Tensor, nn


class GatedRecurrence(nn.Module):
    """The GRU cell of Cho et al. (2014) as `nn.GRUCell` defines it, from two linear layers."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(inputs, 3 * hidden)
        self.from_hidden = nn.Linear(hidden, 3 * hidden)

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Maps (B, I) and (B, H) to the next hidden state (B, H), in [-1, 1] if started at zero."""
        reset_x, update_x, new_x = self.from_input(inputs).chunk(3, dim=-1)
        reset_h, update_h, new_h = self.from_hidden(hidden).chunk(3, dim=-1)
        reset = torch.sigmoid(reset_x + reset_h)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + reset * new_h)
        return new + update * (hidden - new)
