"""The SDK supports live sessions, whose frame indices have gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motioncast.client import InvalidRequestError, connect
from motioncast.local import LocalServices, LocalSettings

FRAMES = [np.full((16, 16, 3), number, np.uint8) for number in range(60)]


@pytest.mark.parametrize("latest_only", [False, True])
async def test_the_newest_frame_comes_back_and_the_report_says_what_was_left_out(
    toy_repository: Path, latest_only: bool
) -> None:
    async with (
        LocalServices(LocalSettings(repository=toy_repository)) as local,
        connect(local.target) as service,
    ):
        session = service.stream(iter(FRAMES), live=True, latest_only=latest_only)
        indices = [frame.index async for frame in session]
        assert session.config is not None
        assert session.config.live
        assert session.report is not None
        left_out = session.report.left_out_frames
    assert indices == sorted(set(indices))
    assert indices[-1] == len(FRAMES) - 1
    assert len(indices) + left_out == len(FRAMES)


async def test_a_live_session_waits_for_no_frames(toy_repository: Path) -> None:
    async with (
        LocalServices(LocalSettings(repository=toy_repository)) as local,
        connect(local.target) as service,
    ):
        with pytest.raises(InvalidRequestError, match="cannot be combined with delay_frames"):
            async for _ in service.stream(iter(FRAMES), live=True, delay_frames=2):
                pass
