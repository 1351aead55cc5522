"""/metrics, as far as it tells of the dataset and its saves: the same on every store."""

from __future__ import annotations

import pytest
from api_client import Server
from conftest import FakeClock
from test_metrics import BOX, scrape, value

from cocoannot.manager import DatasetManager

EVERY_STORE = True


def test_dataset_is_measured(api: Server) -> None:
    samples = scrape(api)
    assert value(samples, "cocoannot_revision", stage="memory") == value(samples, "cocoannot_revision", stage="file")
    assert value(samples, "cocoannot_dataset_bytes") == api.path.stat().st_size
    for records in ("images", "annotations", "categories"):
        assert value(samples, "cocoannot_records", records=records) == 3
        for change in ("added", "updated", "deleted"):
            assert value(samples, "cocoannot_pending_changes", records=records, change=change) == 0
    assert value(samples, "cocoannot_unsaved_age_seconds") == 0
    assert value(samples, "cocoannot_saves_total") == 0
    assert value(samples, "cocoannot_failed_saves_total") == 0
    assert value(samples, "cocoannot_last_save_failed") == 0
    assert value(samples, "cocoannot_last_save_seconds") is None


def test_changes_are_pending_until_they_are_saved(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.delete("/api/images/2")
    samples = scrape(api)
    assert value(samples, "cocoannot_revision", stage="memory") == 2
    assert value(samples, "cocoannot_revision", stage="file") == 0
    assert value(samples, "cocoannot_pending_changes", records="annotations", change="added") == 1
    assert value(samples, "cocoannot_pending_changes", records="images", change="deleted") == 1
    assert 0 < (value(samples, "cocoannot_unsaved_age_seconds") or 0) < 60
    api.post("/api/flush")
    samples = scrape(api)
    assert value(samples, "cocoannot_revision", stage="file") == 2
    assert value(samples, "cocoannot_pending_changes", records="annotations", change="added") == 0
    assert value(samples, "cocoannot_unsaved_age_seconds") == 0
    assert value(samples, "cocoannot_saves_total") == 1
    total, last = value(samples, "cocoannot_save_seconds_total"), value(samples, "cocoannot_last_save_seconds")
    assert total == last
    assert value(samples, "cocoannot_dataset_bytes") == api.path.stat().st_size
    assert (value(samples, "cocoannot_last_save_timestamp_seconds") or 0) > 1e9


def test_failed_save_is_counted_and_leaves_the_server_ready(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.path.write_text("{}")
    assert api.post("/api/flush").status_code == 409
    samples = scrape(api)
    assert value(samples, "cocoannot_failed_saves_total") == 1
    assert value(samples, "cocoannot_saves_total") == 0
    assert value(samples, "cocoannot_last_save_failed") == 1
    assert api.get("/readyz").status_code == 200
    assert api.post("/api/flush", {"on_conflict": "overwrite"}).status_code == 200
    samples = scrape(api)
    assert value(samples, "cocoannot_failed_saves_total") == 1
    assert value(samples, "cocoannot_saves_total") == 1
    assert value(samples, "cocoannot_last_save_failed") == 0


def test_manager_adds_up_its_saves(manager: DatasetManager, clock: FakeClock) -> None:
    assert manager.store.status().saves[:3] == (0, 0, 0)
    for _ in range(2):
        manager.add_annotation(BOX)
        clock.on_next_time(lambda: clock.on_next_time(lambda: clock.advance(1.5)))
        manager.save()
    manager.save()
    assert manager.store.status().saves[:3] == (2, 0, 3)
    manager.set_images([dict(image) for image in manager.get_images()])
    assert manager.store.status().saves[:3] == (3, 0, 3)


def test_unforeseen_failure_counts_as_a_failed_save(manager: DatasetManager, clock: FakeClock) -> None:
    manager.add_annotation(BOX)

    def fail() -> None:
        raise RuntimeError("a bug")

    clock.on_next_time(fail)
    with pytest.raises(RuntimeError):
        manager.save()
    status = manager.store.status()
    assert status.saves[:3] == (0, 1, 0)
    assert status.saves.error == "saving failed in an unforeseen way: RuntimeError('a bug')"
    assert status.pending_seconds is not None
    manager.save()
    assert (manager.store.status().saves.failed, manager.store.status().saves.error) == (1, None)


# The database has its own clock.
@pytest.mark.memory_store
def test_age_of_the_oldest_change_is_by_the_clock_that_only_goes_forward(
    manager: DatasetManager, clock: FakeClock
) -> None:
    assert manager.store.status().pending_seconds is None
    manager.add_annotation(BOX)
    clock.advance(7)
    manager.add_annotation(BOX)
    clock.advance(5)
    assert manager.store.status().pending_seconds == 12
    manager.save()
    assert manager.store.status().pending_seconds is None
