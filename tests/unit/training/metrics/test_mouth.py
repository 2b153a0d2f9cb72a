"""The mouth's box."""

import torch

from motioncast.evaluate.metrics.mouth import mouth_box


def test_the_mouth_box_surrounds_what_moves_below_the_middle() -> None:
    frames = torch.zeros(8, 3, 60, 60)
    frames[::2, :, 40:46, 20:34] = 1.0  # the mouth
    frames[::2, :, 5:25, 10:50] = 1.0  # something larger, above

    box = mouth_box(frames)

    assert box.left <= 20 < 34 <= box.right
    assert box.top <= 40 < 46 <= box.bottom
    assert (box.right - box.left, box.bottom - box.top) == (20, 12)
