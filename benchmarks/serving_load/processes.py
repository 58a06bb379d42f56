"""What a server's processes have cost, by Linux's /proc."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """Processor time of the family since each began, in seconds, with that of members who have ended since."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime and stime, and those of children that were waited for
    return ticks / TICKS_PER_S


def resident_mb(pid: int) -> list[float]:
    """Resident memory of each member, the largest first, in MB; what they share counts in each."""
    sizes = []
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                sizes.append(int(line.split()[1]) / 1000)
    return sorted(sizes, reverse=True)
