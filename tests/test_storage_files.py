"""Replacing files whole, with real files: their mode, their links, and what is left where that fails."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cocoannot.files.atomic import (
    Content,
    NewFile,
    clear_all_unfinished,
    clear_unfinished,
    content_of,
    copy_aside,
    replace_file,
    unfinished,
)
from cocoannot.files.conflicts import load_file
from cocoannot.files.dataset_file import DatasetFile

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to somebody else")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "dataset.json"
    target.write_bytes(b"the old one")
    return target


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def replace(target: Path, data: bytes = b"the new one", **options: Any) -> None:
    with NewFile(target, **options) as new:
        new.write([data])
        new.replace()


def test_the_target_is_as_it_was_until_it_is_replaced(target: Path) -> None:
    with NewFile(target) as new:
        new.write([b"the ", memoryview(b"new"), b" one"])
        assert target.read_bytes() == b"the old one"
        new.replace()
        assert target.read_bytes() == b"the new one"
    assert target.read_bytes() == b"the new one"
    assert names_in(target.parent) == [target.name]


def test_a_new_file_that_is_not_finished_leaves_nothing_behind(target: Path) -> None:
    with NewFile(target) as new:
        new.write([b"half of it"])
        assert unfinished(target).exists()
    assert names_in(target.parent) == [target.name]
    assert target.read_bytes() == b"the old one"


def test_an_error_while_writing_leaves_nothing_behind(target: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"half of it"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"), NewFile(target) as new:
        new.write(blocks())
    assert names_in(target.parent) == [target.name]
    assert target.read_bytes() == b"the old one"


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    with pytest.raises(IsADirectoryError):
        replace(folder)
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_the_mode_of_the_target_is_kept(target: Path, mode: int) -> None:
    target.chmod(mode)
    replace(target)
    assert mode_of(target) == mode


def test_a_private_file_is_private_while_it_is_made(target: Path) -> None:
    target.chmod(0o600)
    with NewFile(target) as new:
        new.write([b"secret"])
        assert mode_of(unfinished(target)) == 0o600


def test_a_file_that_was_not_there_gets_the_mode_that_the_umask_allows(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        replace(tmp_path / "new.json")
    finally:
        os.umask(umask)
    assert mode_of(tmp_path / "new.json") == 0o640


def test_the_mode_may_be_that_of_another_file(target: Path, tmp_path: Path) -> None:
    target.chmod(0o640)
    replace(tmp_path / "copy.json", like=target)
    assert mode_of(tmp_path / "copy.json") == 0o640


@needs_root
def test_owner_and_group_of_the_target_are_kept(target: Path) -> None:
    os.chown(target, 1234, 2345)
    replace(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 2345)


def test_a_new_file_is_made_in_the_folder_that_is_given(target: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with NewFile(target, folder=folder) as new:
        new.write([b"the new one"])
        assert len(names_in(folder)) == 1
        new.replace()
    assert names_in(folder) == []
    assert target.read_bytes() == b"the new one"


def test_what_a_killed_process_left_is_made_anew(target: Path) -> None:
    unfinished(target).write_bytes(b"much more than will be written now, and nobody's")
    replace(target)
    assert target.read_bytes() == b"the new one"
    assert names_in(target.parent) == [target.name]


def test_a_link_that_lies_where_the_new_file_is_made_is_not_written_through(target: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    unfinished(target).symlink_to(precious)
    replace(target)
    assert precious.read_bytes() == b"precious"
    assert not target.is_symlink()


def test_clear_unfinished_removes_what_belongs_to_one_target_only(target: Path) -> None:
    other = unfinished(target.with_name("other.json"))
    for path in (unfinished(target), other):
        path.touch()
    clear_unfinished(target)
    clear_unfinished(target)
    assert names_in(target.parent) == sorted([other.name, target.name])


def test_clear_all_unfinished_removes_those_of_every_target_and_nothing_else(target: Path) -> None:
    for name in ("state.json", "unsaved.json"):
        unfinished(target.with_name(name)).touch()
    clear_all_unfinished(target.parent)
    assert names_in(target.parent) == [target.name]


def test_clear_all_unfinished_leaves_what_somebody_is_at(target: Path) -> None:
    with NewFile(target) as new:
        new.write([b"the new one"])
        clear_all_unfinished(target.parent)
        new.replace()
    assert target.read_bytes() == b"the new one"
    assert names_in(target.parent) == [target.name]


def test_clear_all_unfinished_takes_a_folder_that_is_not_there_for_a_clean_one(tmp_path: Path) -> None:
    clear_all_unfinished(tmp_path / "nowhere")


@pytest.mark.parametrize("blocks", [[], [b""], [b"a", b"", b"bc"], [memoryview(b"abc")[1:], b"x" * 3_000_000]])
def test_writing_tells_the_content_that_is_then_in_the_file(tmp_path: Path, blocks: list[bytes | memoryview]) -> None:
    with NewFile(tmp_path / "new.json") as new:
        written = new.write(blocks)
        new.replace()
    data = b"".join(blocks)
    assert written == content_of(tmp_path / "new.json") == Content(len(data), hashlib.sha256(data).hexdigest())


def test_replace_file_puts_the_new_content_in_place_and_tells_its_content(target: Path) -> None:
    content = replace_file(target, b"the new one")
    assert target.read_bytes() == b"the new one"
    assert content == content_of(target)
    assert names_in(target.parent) == [target.name]


def test_a_copy_aside_has_content_and_mode_and_the_file_itself_stays(target: Path) -> None:
    target.chmod(0o600)
    data = os.urandom(2_500_000)
    target.write_bytes(data)
    copy = target.with_name("copy.json")
    copy_aside(target, copy)
    assert target.read_bytes() == copy.read_bytes() == data
    assert mode_of(copy) == 0o600
    assert names_in(target.parent) == ["copy.json", target.name]


def test_a_copy_aside_that_fails_leaves_nothing_behind(target: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "copy.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        copy_aside(target, folder / "copy.json")
    assert names_in(folder) == ["copy.json"]


def test_a_dataset_that_is_a_symbolic_link_stays_one_and_its_target_is_replaced(target: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    link = links / "current.json"
    link.symlink_to(target)
    file = DatasetFile(link)
    load_file(file)
    file.save([b"the new one"], 1, {})
    assert link.is_symlink()
    assert target.read_bytes() == b"the new one"
    assert names_in(links) == ["current.json"]
    assert (tmp_path / "dataset.json.cocoannot" / "state.json").exists()


def test_a_save_keeps_the_mode_of_the_dataset(target: Path) -> None:
    target.chmod(0o640)
    file = DatasetFile(target)
    load_file(file)
    target.chmod(0o600)
    file.save([b"the new one"], 1, {})
    assert mode_of(target) == 0o600


def test_reading_a_dataset_clears_away_what_a_killed_process_left(target: Path) -> None:
    file = DatasetFile(target)
    file.folder.mkdir()
    left = [unfinished(target), *(unfinished(file.folder / name) for name in ("state.json", "dataset.json.theirs-1"))]
    for path in left:
        path.write_bytes(b"half of")
    load_file(file)
    assert [path for path in left if path.exists()] == []
    assert target.read_bytes() == b"the old one"


def test_reading_a_dataset_leaves_the_unfinished_files_of_others(target: Path) -> None:
    other = unfinished(target.with_name("dataset.json.json"))
    other.touch()
    DatasetFile(target).read()
    assert other.exists()
