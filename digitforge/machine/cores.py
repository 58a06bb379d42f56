"""How many cores this process may use: what `taskset` and containers leave of the machine's."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self")


def cores_allowed(process: Path = PROCESS) -> int:
    """Cores that this process may keep busy: at least 1, and no more than its affinity and its CPU quota allow.

    A quota counts as the whole cores that can use it up: 1.5 is 2.

    Args:
        process: The process's folder in Linux's /proc.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(process)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(process: Path = PROCESS) -> float | None:
    """The CPU time that control groups allow a process, in cores; None without a limit, or where there are no groups.

    Each group's limit holds for all below it, so the smallest from the process's own up to the root counts. Both
    versions are read (Linux's documentation: admin-guide/cgroup-v2, "cpu.max", and scheduler/sched-bwc).
    """
    try:
        groups = (process / "cgroup").read_text().splitlines()
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError:
        return None
    quotas = [
        quota
        for group in groups
        for folder in _folders(group, mounts)
        if (quota := _limit_of_v2(folder) or _limit_of_v1(folder)) is not None
    ]
    return min(quotas, default=None)


def _folders(group: str, mounts: list[str]) -> Iterator[Path]:
    """The folders of a line of /proc/self/cgroup, from the process's own group up, where they are mounted.

    What is mounted may be a part of the hierarchy alone, as in a container: the path within the hierarchy then begins
    with the part's own.
    """
    number, controllers, path = group.split(":", 2)
    for mount in mounts:
        fields, _, kind = mount.partition(" - ")
        root, place = fields.split()[3:5]
        file_system, *_, options = kind.split()
        unified = file_system == "cgroup2" and number == "0" and not controllers
        if not unified and not (
            file_system == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")
        ):
            continue
        own = PurePosixPath(path)
        below = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
        yield from (Path(place) / part for part in (below, *below.parents))


def _limit_of_v2(folder: Path) -> float | None:
    """`cpu.max` holds "max 100000" or "150000 100000": microseconds in each period of so many."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _limit_of_v1(folder: Path) -> float | None:
    """The same in two files; a quota of -1 is none."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None
