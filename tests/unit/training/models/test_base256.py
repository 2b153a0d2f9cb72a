"""base256 has lite128's interface at four times the pixels and can be built, exported, trained."""

import numpy as np
import torch
from support.random_networks import random_motion_transfer

from motioncast.data.clip_cache import ClipCache
from motioncast.data.pairs import PairSampler, Pool
from motioncast.export.exportables import motion_transfer_exportables
from motioncast.export.exporter import build
from motioncast.export.parity import Case
from motioncast.models.configurations import BASE256, LITE128
from motioncast.models.cost import parameters
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.configuration import load_configuration
from motioncast.train.settings import TrainingSettings
from motioncast.train.synthesis import new_training


def wandering_square(size: int) -> PairSampler:
    """Draws batches of two from a bright square moving over a ramp."""
    ramp = np.broadcast_to(np.arange(size)[:, None, None] // 2, (size, size, 3))
    frames = np.stack([ramp] * 8).astype(np.uint8)
    for t, frame in enumerate(frames):
        frame[size // 4 + 4 * t : size // 2 + 4 * t, size // 3 : size // 2] = 220
    cache = ClipCache(names=("square.mkv",), starts=(0, 8), frames=frames)
    return PairSampler([Pool(cache, [0])], batch_size=2, seed=1)


def test_every_channel_of_base256_fills_whole_vectors_of_sixteen() -> None:
    networks = MotionTransfer(BASE256)
    hidden = [
        part.num_features for part in networks.modules() if isinstance(part, torch.nn.BatchNorm2d)
    ]
    assert hidden
    assert all(channels % 16 == 0 for channels in hidden)
    assert parameters(networks) > 4 * parameters(MotionTransfer(LITE128))


def test_base256_exports_with_the_interface_of_lite128_and_agrees_with_pytorch() -> None:
    networks = random_motion_transfer(BASE256)
    theirs = motion_transfer_exportables(MotionTransfer(LITE128).eval())
    for exportable, other in zip(motion_transfer_exportables(networks), theirs, strict=True):
        specification = exportable.specification
        for ours, lite in zip(
            (*specification.inputs, *specification.outputs),
            (*other.specification.inputs, *other.specification.outputs),
            strict=True,
        ):
            assert (ours.name, ours.element) == (lite.name, lite.element)
            assert ours.axes == tuple(256 if axis == 128 else axis for axis in lite.axes)
        _, agreement = build(exportable, {"config": "base256"}, (Case(2, 2, 1),))
        assert list(agreement) == [tensor.name for tensor in specification.outputs]


def test_a_training_of_base256_makes_its_loss_fall() -> None:
    assert isinstance(load_configuration("base256").synthesis, TrainingSettings)
    assert load_configuration("base256").network == BASE256
    torch.manual_seed(0)
    gentle = TrainingSettings(steps=12, warmup_steps=4, learning_rate=5e-4)
    training = new_training(BASE256, gentle)
    sampler = wandering_square(BASE256.image_size)
    batch = sampler.batch(0)
    steps = [training.learn(batch) for _ in range(12)]
    assert all(np.isfinite(list(terms.values())).all() for terms in steps)
    assert steps[-1]["pixels"] < 0.6 * steps[0]["pixels"]
    assert steps[-1]["decibels"] < steps[0]["decibels"]
