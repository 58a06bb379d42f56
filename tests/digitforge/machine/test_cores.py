"""How many cores a process may use: control groups as Linux shows them, laid out in a folder."""

import os
from pathlib import Path

import pytest

from digitforge.machine.cores import cores_allowed, cpu_quota

V2 = "30 23 0:26 {root} {place} rw,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate"
V1 = "33 23 0:29 {root} {place} rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the groups are mounted."""
    (tmp_path / "mounted/slice/service").mkdir(parents=True)
    return tmp_path / "mounted"


def process_in(group: str, mount: str) -> Path:
    """The folder in /proc of a process of this group."""
    place = Path(mount.split()[4])
    process = place.parent / "self"
    process.mkdir()
    (process / "cgroup").write_text(group + "\n")
    (process / "mountinfo").write_text("21 1 8:1 / / rw - ext4 /dev/vda rw\n" + mount + "\n")
    return process


def limit_v2(folder: Path, limit: str) -> None:
    (folder / "cpu.max").write_text(limit + "\n")


def limit_v1(folder: Path, quota: int, period: int = 100_000) -> None:
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


def test_the_smallest_limit_on_the_way_to_the_root_counts(place: Path) -> None:
    limit_v2(place / "slice/service", "max 100000")
    limit_v2(place / "slice", "150000 100000")
    limit_v2(place, "400000 100000")
    process = process_in("0::/slice/service", V2.format(root="/", place=place))
    assert cpu_quota(process) == 1.5


def test_without_a_limit_there_is_no_quota(place: Path) -> None:
    limit_v2(place / "slice/service", "max 100000")
    process = process_in("0::/slice/service", V2.format(root="/", place=place))
    assert cpu_quota(process) is None
    assert cores_allowed(process) == len(os.sched_getaffinity(0))


def test_version_1_is_read_as_well(place: Path) -> None:
    limit_v1(place / "slice/service", 50_000, 25_000)
    limit_v1(place / "slice", -1)
    process = process_in("7:cpu,cpuacct:/slice/service", V1.format(root="/", place=place))
    assert cpu_quota(process) == 2.0


def test_a_container_sees_its_own_group_at_the_mounts_root(place: Path) -> None:
    """Of version 1 it reads the host's path to its group, of which nothing is mounted but the group itself."""
    limit_v1(place, 300_000)
    process = process_in("7:cpu:/docker/abc", V1.format(root="/docker/abc", place=place))
    assert cpu_quota(process) == 3.0


def test_groups_of_other_controllers_limit_nothing(place: Path) -> None:
    limit_v1(place, 100_000)
    process = process_in("7:cpuset:/", V1.format(root="/", place=place))
    assert cpu_quota(process) is None


@pytest.mark.parametrize(("quota", "cores"), [("10000 100000", 1), ("100000 100000", 1)])
def test_a_quota_counts_like_affinity_and_leaves_at_least_one_core(place: Path, quota: str, cores: int) -> None:
    limit_v2(place, quota)
    assert cores_allowed(process_in("0::/", V2.format(root="/", place=place))) == cores


def test_a_share_of_a_core_counts_as_one_more(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    limit_v2(place, "150000 100000")
    assert cores_allowed(process_in("0::/", V2.format(root="/", place=place))) == 2


def test_affinity_holds_where_the_quota_is_larger(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    limit_v2(place, "800000 100000")
    assert cores_allowed(process_in("0::/", V2.format(root="/", place=place))) == 2


def test_where_there_are_no_groups_affinity_is_all(tmp_path: Path) -> None:
    assert cores_allowed(tmp_path / "nowhere") == len(os.sched_getaffinity(0))
