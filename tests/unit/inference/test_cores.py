"""Thread counts follow cgroup limits as the kernel documents them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from motioncast.inference import cores
from motioncast.inference.cores import cpu_quota, usable_cores


def put(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """Writes files; returns stand-ins for /proc/self/cgroup and /sys/fs/cgroup."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root / "self", root / "fs"


CASES: dict[str, tuple[dict[str, str], float | None]] = {
    "v2 in a container": ({"self": "0::/\n", "fs/cpu.max": "150000 100000\n"}, 1.5),
    "v2 without a limit": ({"self": "0::/\n", "fs/cpu.max": "max 100000\n"}, None),
    "v2 of a service": (
        {
            "self": "0::/system.slice/m.service\n",
            "fs/system.slice/m.service/cpu.max": "50000 20000",
        },
        2.5,
    ),
    "v2, the group around it has less": (
        {
            "self": "0::/pod/one\n",
            "fs/pod/cpu.max": "200000 100000\n",
            "fs/pod/one/cpu.max": "400000 100000\n",
        },
        2.0,
    ),
    "v2, the group itself is outside of the container": (
        {"self": "0::/docker/0123\n", "fs/cpu.max": "300000 100000\n"},
        3.0,
    ),
    "v1": (
        {
            "self": "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n",
            "fs/cpu,cpuacct/docker/0123/cpu.cfs_quota_us": "250000\n",
            "fs/cpu,cpuacct/docker/0123/cpu.cfs_period_us": "100000\n",
        },
        2.5,
    ),
    "v1 in a container, under the controller's own name": (
        {
            "self": "5:cpu,cpuacct:/docker/0123\n",
            "fs/cpu/cpu.cfs_quota_us": "100000\n",
            "fs/cpu/cpu.cfs_period_us": "50000\n",
        },
        2.0,
    ),
    "v1 without a limit": (
        {
            "self": "5:cpu,cpuacct:/\n",
            "fs/cpu/cpu.cfs_quota_us": "-1\n",
            "fs/cpu/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "v1 and v2 together": (
        {
            "self": "5:cpu,cpuacct:/\n0::/user.slice\n",
            "fs/cpu/cpu.cfs_quota_us": "300000\n",
            "fs/cpu/cpu.cfs_period_us": "100000\n",
        },
        3.0,
    ),
    "another controller whose name begins alike": (
        {
            "self": "3:cpuset:/\n",
            "fs/cpuset/cpu.cfs_quota_us": "100000\n",
            "fs/cpuset/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "nonsense": ({"self": "0::/\nnonsense\n:\n", "fs/cpu.max": "many few\n"}, None),
    "a period of nothing": ({"self": "0::/\n", "fs/cpu.max": "1000 0\n"}, None),
    "a path that leads out": ({"self": "0::/../..\n", "cpu.max": "1000 1000\n"}, None),
    "no cgroups at all": ({}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_quota_is_the_smallest_of_all_groups_around(tmp_path: Path, name: str) -> None:
    files, quota = CASES[name]
    assert cpu_quota(*put(tmp_path, files)) == quota


@pytest.mark.parametrize(("quota", "expected"), [(0.4, 1), (1.9, 1), (2.0, 2), (9.0, 4), (None, 4)])
def test_threads_are_the_whole_cores_of_the_quota_at_least_one(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert usable_cores() == expected
