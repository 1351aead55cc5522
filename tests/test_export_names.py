"""Names of exported files: whatever a dataset calls its images, each has a name of its own inside the folder."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.exchange.names import Names, stem_of


def given_names(*file_names: object) -> list[str]:
    names = Names()
    return [names.give(file_name, number) for number, file_name in enumerate(file_names, 1)]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/a.jpg", "sub/a.jpg"),
        ("süd/日本 1.jpeg", "süd/日本 1.jpeg"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/a.jpg", "abs/a.jpg"),
        ("./a//b.jpg", "a/b.jpg"),
        ("C:\\pictures\\a.jpg", "C:/pictures/a.jpg"),
        ("images/train/a.jpg", "train/a.jpg"),
        ("a\nb.jpg", "a_b.jpg"),
        ("..", "image_1"),
        ("", "image_1"),
        (None, "image_1"),
        (7, "image_1"),
        ("v1.2 of mine", "v1.2 of mine"),
        (".jpg", ".jpg"),
    ],
)
def test_a_name_is_the_file_name_as_far_as_that_is_safe(file_name: object, name: str) -> None:
    assert given_names(file_name) == [name]


def test_one_stem_is_given_once_whatever_the_extension() -> None:
    assert given_names("a.jpg", "a.png", "a.jpg", "b/a.jpg") == ["a.jpg", "a_2.png", "a_3.jpg", "b/a.jpg"]


def test_a_file_is_no_folder_too() -> None:
    names = given_names("a/b.jpg", "a", "c.txt/d.jpg", "c.jpg", "e.jpg", "e.txt/f.jpg")
    assert names == ["a/b.jpg", "a_2", "c.txt/d.jpg", "c_2.jpg", "e.jpg", "e.txt_/f.jpg"]


def test_long_names_are_cut_and_stay_apart() -> None:
    first, second = given_names("ü" * 300 + ".jpg", "ü" * 300 + ".png")
    assert len(first.encode()) < 255 > len(second.encode())
    assert stem_of(first) != stem_of(second)


pieces = st.lists(st.sampled_from(["a", "b", ".txt", ".jpg", "/", "..", "\\", "\n", " "]), max_size=7).map("".join)


@given(st.lists(pieces, max_size=12))
def test_all_files_of_all_images_can_be_made_beside_each_other(file_names: list[str]) -> None:
    made: set[str] = set()
    folders: set[str] = set()
    for name in given_names(*file_names):
        for path in (f"{stem_of(name)}.txt", f"{stem_of(name)}.xml"):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
            assert path not in made
            made.add(path)
            folders |= {str(parent) for parent in Path(path).parents} - {"."}
    assert not made & folders
    assert all(posixpath.normpath(path) == path for path in made)
