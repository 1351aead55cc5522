"""Memory follows the dataset: what was changed or deleted is let go of."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

from cocoannot.manager import DatasetManager
from cocoannot.store.memory.tables import DEAD_BYTES


def test_a_save_lets_go_of_text_that_is_of_no_use_any_more(tmp_path: Path) -> None:
    filler = "x" * 20_000
    # Much more than the texts of the latest changes, which are kept.
    count = 48 * DEAD_BYTES // len(filler)
    images: list[dict[str, Any]] = [
        {"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9, "note": filler} for i in range(count)
    ]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    tracemalloc.start()
    try:
        manager = DatasetManager()
        manager.load(path)
        loaded = tracemalloc.get_traced_memory()[0]
        for image in images:
            manager.update_image(image["id"], {"note": None, "seen": True})
        manager.save()
        saved = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert saved < loaded / 2
    assert manager.get_image(7) == {"id": 7, "file_name": "7.jpg", "width": 9, "height": 9, "seen": True}
    assert manager.update_image(7, {"seen": False}) is not None
    assert manager.save()
    assert json.loads(path.read_text())["images"][7]["seen"] is False
    assert json.loads(path.read_text())["images"][8]["seen"] is True
