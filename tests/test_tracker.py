"""The counts of what changed, and how they read in a log line."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Literal

import pytest

from cocoannot.changes.tracker import ChangeTracker

COUNTERS = [field.name for field in fields(ChangeTracker)]


def test_new_tracker_has_no_changes() -> None:
    assert not ChangeTracker().has_changes()


@pytest.mark.parametrize("counter", COUNTERS)
def test_every_counter_counts_as_a_change(counter: str) -> None:
    assert ChangeTracker(**{counter: 1}).has_changes()


def test_reset_sets_every_counter_to_zero() -> None:
    tracker = ChangeTracker(**dict.fromkeys(COUNTERS, 3))
    tracker.reset()
    assert asdict(tracker) == dict.fromkeys(COUNTERS, 0)


@pytest.mark.parametrize("section", ["annotations", "categories", "images"])
@pytest.mark.parametrize("action", ["added", "updated", "deleted"])
def test_count_adds_to_the_one_counter_that_is_meant(
    section: str, action: Literal["added", "updated", "deleted"]
) -> None:
    tracker = ChangeTracker()
    tracker.count(section, action)
    tracker.count(section, action, 4)
    assert asdict(tracker) == dict.fromkeys(COUNTERS, 0) | {f"{section}_{action}": 5}


def test_summary_of_one_kind_of_change() -> None:
    assert ChangeTracker(annotations_added=3).summary() == "3 annotation(s) added"


def test_summary_of_several_kinds_names_each_with_its_count() -> None:
    tracker = ChangeTracker(annotations_added=3, categories_deleted=1, images_updated=2)
    assert tracker.summary() == "3 annotation(s) added, 1 category(ies) deleted, 2 image(s) updated"


def test_summary_of_nothing_says_so() -> None:
    assert ChangeTracker().summary() == "no changes"


def test_merge_adds_both_up_and_changes_neither() -> None:
    one, other = ChangeTracker(annotations_added=1, images_deleted=2), ChangeTracker(annotations_added=4)
    assert one.merge(other) == ChangeTracker(annotations_added=5, images_deleted=2)
    assert (one, other) == (ChangeTracker(annotations_added=1, images_deleted=2), ChangeTracker(annotations_added=4))
