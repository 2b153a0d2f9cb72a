"""How many cores this process may use: the machine's, limited by CPU affinity and cgroups.

cgroup v2    cpu.max                 `max 100000`, or `QUOTA PERIOD` in microseconds
cgroup v1    cpu.cfs_quota_us        -1, or the quota in microseconds; cpu.cfs_period_us

A group's quota applies to all groups below it. When there are more threads than the quota allows
cores, all of them are stopped for the rest of each period, so a model's run takes longer.
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_GROUPS: Final = Path("/proc/self/cgroup")
_MOUNT: Final = Path("/sys/fs/cgroup")
_V2: Final = ""  # its line in /proc/self/cgroup names no controller


def usable_cores() -> int:
    """Returns how many cores this process may use, at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def cpu_quota(groups: Path = _GROUPS, mount: Path = _MOUNT) -> float | None:
    """Returns the CPU quota, in cores, that cgroups allow this process; None for no limit.

    Args:
        groups: File that lists the process's groups.
        mount: Mount point of the cgroup hierarchies.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None  # not Linux
    quotas = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == _V2:
            quotas += [_quota_v2(folder) for folder in _folders(mount, path)]
        elif "cpu" in controllers.split(","):
            for name in (controllers, "cpu"):  # mounted under all controllers' names, or a link
                quotas += [_quota_v1(folder) for folder in _folders(mount / name, path)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _folders(hierarchy: Path, path: str) -> Iterator[Path]:
    """Yields the folders of a group and its ancestors; a container lacks some of them."""
    group = PurePosixPath(path.lstrip("/"))
    if ".." not in group.parts:
        for part in (group, *group.parents):
            yield hierarchy / part


def _quota_v2(folder: Path) -> float | None:
    match _read(folder / "cpu.max").split():
        case [quota, period]:
            return _ratio(quota, period)
    return None


def _quota_v1(folder: Path) -> float | None:
    return _ratio(
        _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
    )


def _ratio(quota: str, period: str) -> float | None:
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None  # `max`, -1, or no such file
    return int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
