"""Files are whole or not there, and who cannot have one is told why."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digitforge.machine.whole_file import NotWrittenError, naming, tell_size, whole_file, write_whole


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """What `ulimit -f` sets, in bytes: the one fault of a disk that needs no privileges.

    Around the writing alone: the tests' own output may be a file that is larger.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old")
    with whole_file(path) as file:
        file.write(b"ne")
        assert path.read_bytes() == b"old"
        file.write(b"w")
    assert path.read_bytes() == b"new"
    write_whole(path, "größer", sync=False)
    assert path.read_text(encoding="utf-8") == "größer"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_whoever_fails_to_make_its_content_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.bin").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target.bin")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "target.bin").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_a_file_that_finds_no_room_leaves_the_old_one_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_whole(path, b"old")
    with (
        pytest.raises(NotWrittenError, match=r"checkpoint\.pt cannot be written: .*ulimit -f.*: 2 kB are needed"),
        file_limit(1000),
    ):
        write_whole(path, bytes(2000))
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_with_what_is_needed_and_what_is_free(tmp_path: Path) -> None:
    words = rf"a\.bin cannot be written: the disk is full: 123 kB are needed, .* are free in {tmp_path}"
    with (
        pytest.raises(NotWrittenError, match=words),
        naming(tmp_path / "a.bin", 123_456),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, "quota is used up: 1.5 MB are needed"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission to write in "),
    ],
)
def test_other_reasons_are_told(number: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(NotWrittenError, match=words), naming(tmp_path / "new" / "a.bin", 1_500_000):
        raise OSError(number, os.strerror(number))


def test_a_folder_that_is_gone_or_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotWrittenError, match=f"there is no folder {tmp_path / 'gone'} any more"):
        write_whole(tmp_path / "gone" / "a.bin", b"")
    gone = tmp_path / "gone"
    with pytest.raises(NotWrittenError, match=f"there is no folder {gone} any more"), naming(gone):
        (gone / "b.bin").touch()  # as TensorBoard does, of whose files the folder alone is known
    (tmp_path / "file").touch()
    with pytest.raises(NotWrittenError, match=f"{tmp_path / 'file'} is no folder"):
        write_whole(tmp_path / "file" / "a.bin", b"")
    with pytest.raises(NotWrittenError, match="a folder has its name"):
        write_whole(tmp_path, b"")


def test_what_has_nothing_to_do_with_writing_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), naming(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    with pytest.raises(NotWrittenError, match="inner"), naming(tmp_path / "outer"):
        raise NotWrittenError("inner")


def test_sizes_are_told_for_people() -> None:
    assert [tell_size(size) for size in (0, 999, 84_231, 5_000_000, 2_500_000_000)] == [
        "0 bytes",
        "999 bytes",
        "84.2 kB",
        "5 MB",
        "2.5 GB",
    ]
