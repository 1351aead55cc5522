"""Clients lose nothing, and nothing is made twice, whatever breaks between them and PostgreSQL; the short form of
`tests/database_proof.py`, which says what is compared."""

from __future__ import annotations

import os
from collections.abc import Iterator

import database_breaking as breaking
import pytest
from database_breaking import Break, Machine
from database_proof import one_machine, play

from cocoannot.database_uri import DatabaseUri

pytestmark = [pytest.mark.slow, pytest.mark.torture]

_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a small disk")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, DatabaseUri]]:
    with one_machine(tmp_path_factory.mktemp("proof"), seed=1, small_disk=os.geteuid() == 0) as found:
        yield found


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(breaking.kill_workers, id="workers killed"),
        pytest.param(breaking.pause_worker, id="a worker paused"),
        pytest.param(breaking.kill_postgres, id="postgres killed"),
        pytest.param(breaking.kill_backend, id="a backend killed"),
        pytest.param(breaking.terminate_backends, id="backends terminated"),
        pytest.param(breaking.pause(1), id="postgres paused"),
        pytest.param(breaking.cut(8), id="connections cut"),
        pytest.param(breaking.serializable, id="serializable"),
        pytest.param(breaking.fill_disk, id="the disk full", marks=_needs_root),
        pytest.param(breaking.down(0), id="no database"),
    ],
)
def test_nothing_acknowledged_is_lost_or_made_twice_whatever_breaks(
    running: tuple[Machine, DatabaseUri], kind: Break, torture: bool
) -> None:
    place, uri = running
    for number in range(5 if torture else 1):
        found = play(place, uri, kind, number)
        assert found.wrong == []
        assert found.changes > 0
