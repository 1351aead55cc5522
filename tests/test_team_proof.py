"""Eight people on one dataset while the server is reloaded, ended and killed: file, history, what each of them was
told, and what a listener heard tell the same story. Then all of it is taken back, to the first byte."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from event_streams import Follower
from lives import Lives, Place
from scripted_people import Admin, Annotator, Losing, Person, Reviewer, Slow, Stale
from servers import until

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.people.people import People

pytestmark = [pytest.mark.slow, pytest.mark.torture]

TEAM: dict[str, type[Person]] = {
    "anna": Annotator,
    "ben": Annotator,
    "cleo": Slow,
    "dan": Slow,
    "eva": Losing,
    "finn": Stale,
    "rita": Reviewer,
    "abe": Admin,
}
ROLES = {"rita": "reviewer", "abe": "admin"}
IMAGES, SHARED = range(1, 41), range(1, 7)


def first_file() -> bytes:
    """A dataset as nobody's program writes one: to the byte, not only to the record, it must come back."""
    images = [{"id": each, "file_name": f"{each}.jpg", "width": 64, "height": 64} for each in IMAGES]
    annotations: list[dict[str, Any]] = [
        {"area": 6.0, "id": each, "iscrowd": 0, "image_id": each, "category_id": 1, "bbox": [1, 2, 3, 2.0], "by": "ü"}
        for each in SHARED
    ]
    lines = [json.dumps(each, separators=(" , ", ":  "), ensure_ascii=False) for each in annotations]
    return (
        '{"annotations":[\n  '
        + ",\n  ".join(lines)
        + '\n],\n"images" : '
        + json.dumps(images)
        + ', "note": "kept", "categories": [ {"id": 1, "name": "cat"} ]}\n\n'
    ).encode()


def tokens(dataset: Path) -> dict[str, str]:
    """A personal token of each of them."""
    file = DatasetFile(dataset)
    file.folder.mkdir()
    accounts = People(file.users).accounts
    for name in TEAM:
        accounts.add(name, ROLES.get(name, "annotator"), first=True)
    return {name: accounts.new_token(name, "script")[1] for name in TEAM}


def kept_changes(asking: Person) -> list[dict[str, Any]]:
    """Every change that the history has, oldest first, with records."""
    found: list[dict[str, Any]] = []
    while True:
        since = found[-1]["revision"] if found else 0
        reply = asking.ask("GET", f"/api/changes?since={since}&limit=1000&with=records")
        assert reply.status == 200, reply.json
        if not reply.json:
            return found
        found += reply.json


def without(change: dict[str, Any], *names: str) -> dict[str, Any]:
    """`change`, its edits without the fields `names`."""
    edits = [{name: value for name, value in edit.items() if name not in names} for edit in change["edits"]]
    return {**change, "edits": edits}


Records = dict[str, dict[int, dict[str, Any]]]


def records(data: bytes) -> Records:
    """The records of a dataset by section and id."""
    dataset = json.loads(data)
    return {
        section: {each["id"]: each for each in dataset[section]} for section in ("images", "annotations", "categories")
    }


def make_again(stand: Records, changes: list[dict[str, Any]]) -> None:
    """Make `changes` on `stand`; each must have found there what it says that it found."""
    for change in changes:
        for edit in change["edits"]:
            section = stand[edit["section"]]
            assert section.get(edit["id"]) == edit["before"], (change["revision"], edit)
            if edit["after"] is None:
                del section[edit["id"]]
            else:
                section[edit["id"]] = edit["after"]


def check_log(person: Person, changes: list[dict[str, Any]], etags: dict[tuple[int, str, int], str]) -> None:
    """What `person` was told is what they did, by the history: in order, once, and nothing else."""
    theirs = [change for change in changes if change["user"] == person.name]
    assert [done.revision for done in person.log] == [change["revision"] for change in theirs]
    for done, change in zip(person.log, theirs, strict=True):
        assert [(edit["section"], edit["id"], edit["op"]) for edit in change["edits"]] == done.edits
        if done.etag is not None:
            ((section, record_id, _),) = done.edits
            assert etags[done.revision, section, record_id] == done.etag


def test_all_tell_the_same_story_and_all_of_it_can_be_taken_back(dataset_path: Path, torture: bool) -> None:
    first = first_file()
    dataset_path.write_bytes(first)
    secrets, place, rules = tokens(dataset_path), Place(), random.Random(3)
    team = {name: kind(name, secrets[name], place, SHARED, IMAGES) for name, kind in TEAM.items()}
    admin = team["abe"]
    lives = Lives(dataset_path, place)
    headers = {"Authorization": f"Bearer {secrets['rita']}"}
    listener = Follower(lambda: place.url, lambda: rules.uniform(0.05, 0.3), headers=headers)
    try:
        listener.start()
        until(lambda: listener.first is not None, "it listens")
        for person in team.values():
            person.start()
        end = time.monotonic() + (180 if torture else 8)
        while time.monotonic() < end or not lives.has_ended_in_every_way:
            lives.go_on()
        for person in team.values():
            person.stop()
        changes = kept_changes(admin)
        newest = len(changes)
        until(lambda: listener.has(newest), "the listener has heard of the last change", 60)
        # What the file, written by nobody but the server, has in the end.
        assert admin.ask("POST", "/api/flush").status == 200
        saved = dataset_path.read_bytes()
        at_first = admin.ask("GET", "/api/dataset/export?at=0").body
        heard = list(listener.changes)
        lives.end()
        for change in reversed(changes):
            reply = admin.ask("POST", f"/api/changes/{change['revision']}/undo")
            # Whoever sets what is there already changes nothing that could be taken back.
            is_empty = all(edit["before"] == edit["after"] for edit in change["edits"])
            assert reply.status == (409 if is_empty else 200), (change, reply.json)
        lives.stop()
    finally:
        listener.stop()
        lives.close()
    print(
        f"{dict(lives.done)}; {newest} changes of {len(team)} people, "
        + ", ".join(f"{name} {len(person.log)}" for name, person in team.items())
        + f"; {sum(person.sent_again for person in team.values())} requests sent again, "
        f"{sum(person.replayed for person in team.values())} of them already done; "
        f"{sum(person.answers[412] for person in team.values())} refused as stale, "
        f"{sum(person.answers[409] for person in team.values())} as in the way; the listener came "
        f"{listener.connections} times, {len(listener.resets)} resets, heard {len(heard)}; {newest} changes undone"
    )

    # The history: each revision once, in order.
    assert [change["revision"] for change in changes] == list(range(1, newest + 1))
    # The listener: the same, with the same authors and edits.
    assert listener.resets == []
    assert [without(each, "etag") for each in heard] == [without(each, "before", "after") for each in changes]
    # Each person: what they were told, and nothing that they were not told.
    etags = {
        (each["revision"], edit["section"], edit["id"]): edit["etag"]
        for each in heard
        for edit in each["edits"]
        if "etag" in edit
    }
    for person in team.values():
        assert person.log, f"{person.name} did nothing"
        check_log(person, changes, etags)
    # The file: the first one with these changes.
    stand = records(first)
    assert records(at_first) == stand
    make_again(stand, changes)
    assert records(saved) == stand
    # And back.
    assert dataset_path.read_bytes() == first
    # It was worth it.
    assert team["eva"].replayed, "no answer was lost of what was done"
    assert team["finn"].answers[412], "nobody's page was stale"
    assert sum(person.sent_again for person in team.values()), "no request met a server that was away"
