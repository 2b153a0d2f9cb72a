"""Models that never finish by themselves, to test that they can be stopped."""

from __future__ import annotations

from pathlib import Path

from support.toy_models import build_toy_repository, write_model

_ENDLESS_KEYPOINT = """
toy_keypoint (uint8[B, 16, 16, 3] image) => (float[B, 2, 3] keypoints)
<
    int64 turns = {1000000000000}, bool yes = {1}, float zero = {0},
    float[1, 2, 3] nowhere = {0, 0, 0, 0, 0, 0}, int64[2] points = {2, 3}
>
{
    somewhere = Loop<
        body = turn (int64 i, bool go, float[1, 2, 3] before)
            => (bool go_on, float[1, 2, 3] after)
        {
            after = Add(before, zero)
            go_on = Identity(go)
        }
    >(turns, yes, nowhere)
    batch = Shape<start = 0, end = 1>(image)
    shape = Concat<axis = 0>(batch, points)
    keypoints = Expand(somewhere, shape)
}
"""


def build_endless_repository(root: Path) -> Path:
    """Writes the toy repository with a second detector version that loops for days."""
    build_toy_repository(root)
    write_model(root, "toy_keypoint", _ENDLESS_KEYPOINT, version=2)
    return root
