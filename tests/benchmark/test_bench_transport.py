"""`motioncast bench-transport` measures both transports."""

from __future__ import annotations

from pathlib import Path

import pytest

from motioncast.bench.transport import bench_transport


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is a file on Linux")
async def test_both_ways_are_measured_for_every_size() -> None:
    result = await bench_transport("inprocess", [100, 2_000_000], calls=3)
    assert [row.size for row in result.rows] == [100, 2_000_000]
    for row in result.rows:
        assert 0 < row.least_message_ms <= row.message_ms
        assert 0 < row.least_shared_ms <= row.shared_ms
    assert result.as_json()["rows"][0]["size"] == 100
