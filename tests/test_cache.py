"""The cache's folder: what it keeps, what it removes and when, and that nothing in it can do harm."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1
from pathlib import Path

import pytest
from tracing import needs_strace, run_traced

from cocoannot.pictures.cache import Cache

ENTRY = 1032
"""The size of an entry with 1,000 bytes of data."""


PUT = """
import sys
from pathlib import Path
from cocoannot.pictures.cache import Cache
Cache(Path(sys.argv[1]), 10_000).put(sys.argv[2], bytes(5000))
"""


def key(number: object) -> str:
    return sha1(str(number).encode()).hexdigest()


def place(folder: Path, number: object) -> Path:
    return folder / key(number)[:2] / f"{key(number)}.cached"


def entries(folder: Path) -> list[Path]:
    return list(folder.glob("*/*"))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in entries(folder))


def fill(cache: Cache, *numbers: int) -> None:
    """Put entries of 1,000 bytes, last used long ago, in the order of `numbers`."""
    for age, number in enumerate(numbers):
        cache.put(key(number), bytes(1000))
        os.utime(place(cache.folder, number), (1e9 + age, 1e9 + age))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "cache"


def test_what_was_put_is_there_for_every_cache_of_the_folder(folder: Path) -> None:
    Cache(folder, 10_000).put(key(1), b"data")
    assert Cache(folder, 10_000).get(key(1)) == b"data"
    assert Cache(folder, 10_000).get(key(2)) is None


def test_last_put_counts(folder: Path) -> None:
    cache = Cache(folder, 10_000)
    cache.put(key(1), b"old")
    cache.put(key(1), b"new")
    assert cache.get(key(1)) == b"new"


def test_nobody_else_may_read_what_is_kept(folder: Path) -> None:
    Cache(folder, 10_000).put(key(1), b"data")
    for path in (folder, folder / "total", *folder.glob("*/*"), *folder.glob("??")):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage", ["empty", "short", "zeros", "long", "foreign", "another's", "folder", "link to self"]
)
def test_entry_that_is_not_whole_is_missing_and_can_be_put_again(folder: Path, damage: str) -> None:
    cache = Cache(folder, 100_000)
    cache.put(key(1), bytes(range(256)) * 20)
    cache.put(key(2), b"another")
    path = place(folder, 1)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "link to self":
        path.symlink_to(path)
    else:
        content = {
            "empty": b"",
            "short": whole[:-1],
            "zeros": whole[:1000] + bytes(1000) + whole[2000:],
            "long": whole + b"\0",
            "foreign": b"\xff\xd8\xff\xe0 some other picture \xff\xd9",
            "another's": place(folder, 2).read_bytes(),
        }
        path.write_bytes(content[damage])
    assert cache.get(key(1)) is None
    if damage != "folder":
        cache.put(key(1), b"anew")
        assert cache.get(key(1)) == b"anew"


def test_bound_holds_at_every_moment(folder: Path) -> None:
    cache = Cache(folder, 20_000)
    for number in range(200):
        cache.put(key(number), bytes(1000 + number))
        assert cache.get(key(number)) is not None
        assert size(folder) <= 20_000
    assert size(folder) > 10_000


def test_least_recently_used_goes_first(folder: Path) -> None:
    cache = Cache(folder, 10 * ENTRY)
    fill(cache, *range(10))
    cache.get(key(0))
    cache.put(key("new"), bytes(1000))
    assert [n for n in range(10) if cache.get(key(n)) is not None] == [0, 4, 5, 6, 7, 8, 9]
    assert cache.get(key("new")) is not None


def test_entry_larger_than_the_bound_is_not_kept(folder: Path) -> None:
    cache = Cache(folder, 5000)
    cache.put(key(1), bytes(5000))
    assert cache.get(key(1)) is None
    assert size(folder) == 0


def test_smaller_bound_than_before_holds_from_the_first_entry_on(folder: Path) -> None:
    fill(Cache(folder, 100_000), *range(50))
    Cache(folder, 10_000).put(key("new"), bytes(1000))
    assert size(folder) <= 10_000


def test_file_left_unfinished_by_a_killed_process_is_removed(folder: Path) -> None:
    Cache(folder, 10_000).put(key(1), b"data")
    left = place(folder, 2).with_suffix(".unfinished")
    left.parent.mkdir()
    left.write_bytes(bytes(9000))
    Cache(folder, 10_000).put(key(3), b"data")
    assert not left.exists()
    assert len(entries(folder)) == 2


@needs_strace
def test_process_killed_before_the_entry_is_whole_leaves_no_entry_and_room_for_others(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    path = place(folder, 1).with_suffix(".unfinished")
    options = ["-P", str(path), "-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=1"]
    assert run_traced(PUT, folder, key(1), options=options).returncode != 0
    assert entries(folder) == [path]
    cache = Cache(folder, 10_000)
    assert cache.get(key(1)) is None
    cache.put(key(2), bytes(9000))
    assert entries(folder) == [place(folder, 2)]


@pytest.mark.parametrize("total", [b"", b"nonsense", b"-5", b"0", b"9" * 99])
def test_total_that_is_lost_or_wrong_is_found_again(folder: Path, total: bytes) -> None:
    fill(Cache(folder, 10 * ENTRY), *range(10))
    (folder / "total").write_bytes(total)
    cache = Cache(folder, 10 * ENTRY)
    cache.put(key("new"), bytes(1000))
    assert size(folder) <= 10 * ENTRY
    assert cache.get(key(9)) is not None


def test_folder_that_was_removed_is_made_again(folder: Path) -> None:
    cache = Cache(folder, 10 * ENTRY)
    fill(cache, *range(9))
    subprocess.run(["rm", "-r", folder], check=True)
    fill(cache, *range(9))
    assert len(entries(folder)) == 9


def test_other_files_in_the_folder_are_never_touched(folder: Path) -> None:
    foreign = [
        folder / f"{key(1)}.cached",
        folder / "train" / f"{key(1)}.cached",
        folder / "ab" / f"{key(1)}.jpg",
        folder / "ab" / "x.unfinished",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(50_000))
    outside = folder.with_name("outside")
    outside.mkdir()
    (outside / f"{key(1)}.cached").write_bytes(bytes(50_000))
    (folder / "cd").symlink_to(outside)
    fill(Cache(folder, 10 * ENTRY), *range(30))
    assert all(path.stat().st_size == 50_000 for path in [*foreign, outside / f"{key(1)}.cached"])


def test_link_in_the_place_of_an_unfinished_file_is_not_followed(folder: Path) -> None:
    cache = Cache(folder, 10_000)
    cache.put(key(1), b"data")
    target = folder.with_name("target")
    target.write_bytes(b"mine")
    place(folder, 1).with_suffix(".unfinished").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        cache.put(key(1), b"data")
    assert target.read_bytes() == b"mine"


def test_folder_that_can_t_be_made_is_an_error_and_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "cache", 10_000)
    assert cache.get(key(1)) is None
    with pytest.raises(OSError, match="Not a directory"):
        cache.put(key(1), b"data")


@needs_strace
@pytest.mark.parametrize("call", ["write", "rename"])
def test_full_disk_is_an_error_that_leaves_nothing_unfinished(tmp_path: Path, call: str) -> None:
    folder = tmp_path / "cache"
    Cache(folder, 10_000).put(key(1), b"data")
    unfinished = place(folder, 2).with_suffix(".unfinished")
    options = ["-P", str(unfinished), "-e", f"trace={call}", "-e", f"inject={call}:error=ENOSPC"]
    done = run_traced(PUT, folder, key(2), options=options)
    assert "No space left" in done.stderr
    assert entries(folder) == [place(folder, 1)]


def test_bound_holds_while_many_threads_write_and_read(folder: Path) -> None:
    caches = [Cache(folder, 30_000) for _ in range(3)]
    caches[0].put(key("first"), b"")
    ended = threading.Event()

    def use(thread: int) -> None:
        cache = caches[thread % 3]
        for number in range(60):
            data = str((thread + number) % 40).encode() * 500
            cache.put(key(data), data)
            assert cache.get(key(data)) in (data, None)

    def watch() -> None:
        with (folder / "total").open("rb") as total:
            while not ended.is_set():
                fcntl.flock(total, fcntl.LOCK_EX)
                assert size(folder) <= 30_000
                fcntl.flock(total, fcntl.LOCK_UN)

    with ThreadPoolExecutor(9) as pool:
        watching = pool.submit(watch)
        list(pool.map(use, range(8)))
        ended.set()
        watching.result()
    assert size(folder) <= 30_000
    assert int((folder / "total").read_bytes()) >= size(folder)


def test_bound_holds_while_many_processes_write(folder: Path) -> None:
    script = (
        "import sys; from hashlib import sha1; from pathlib import Path; from cocoannot.pictures.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), 30_000)\n"
        "for n in range(80): cache.put(sha1(f'{sys.argv[2]} {n}'.encode()).hexdigest(), bytes(1000))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, folder, str(n)]) for n in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert 15_000 < size(folder) <= 30_000
    assert not list(folder.glob("*/*.unfinished"))
