"""The clicks and keys in docs/hands.md are those that the tasks take in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser import Visit, needs_browser
from hands import TASKS, do, served
from servers import ROOT, Server

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("hands")) as server:
        yield server


@pytest.mark.parametrize("name", TASKS)
def test_a_task_takes_as_many_clicks_and_keys_as_the_page_says(visit: Visit, server: Server, name: str) -> None:
    task = TASKS[name]
    count = do(task, visit(server.url), server)
    told = re.search(rf"^\| {re.escape(task.title)} \| (\d+) \| (\d+) \|", (ROOT / "docs/hands.md").read_text(), re.M)
    assert told, f"docs/hands.md has no row for: {task.title}"
    assert (count.clicks, count.keys) == (int(told[1]), int(told[2]))
