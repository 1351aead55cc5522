"""The latest lists of images that were asked for, until a change might make another one of them. Guarded by the state's
lock."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from cocoannot.changes.change import Edit
from cocoannot.coco.parser import Ints
from cocoannot.store.queries import ImageQuery

MOST = 8
"""How many lists are kept; each takes 8 bytes for an image in it."""


class ImageLists:
    """Slots of images in order, by the query that selects them."""

    def __init__(self) -> None:
        # The one that was asked for last is the last one.
        self._lists: dict[Hashable, tuple[ImageQuery, Ints]] = {}

    def get(self, query: ImageQuery, find: Callable[[], Ints]) -> Ints:
        """The list that `query` selects, by `find` where it is not here; not to be changed."""
        key = _key(query)
        kept = self._lists.pop(key, None) or (query, find())
        self._lists[key] = kept
        if len(self._lists) > MOST:
            del self._lists[next(iter(self._lists))]
        return kept[1]

    def forget(self, edits: Iterable[Edit]) -> None:
        """Let go of the lists that may be others after `edits`."""
        if not self._lists:
            return
        sections = {edit.section for edit in edits}
        if "images" in sections:
            self._lists.clear()
        elif "annotations" in sections:
            self._lists = {key: kept for key, kept in self._lists.items() if not kept[0].asks_for_annotations}


def _key(query: ImageQuery) -> Hashable:
    return (
        *(query.file_name, tuple(query.category_ids), query.annotated, query.sort),
        *(query.min_annotations, query.max_annotations, query.min_size, query.below_size),
        *(tuple(query.statuses), None if query.ids is None else frozenset(query.ids), frozenset(query.without)),
        *(query.user, None if query.annotation_ids is None or query.user else frozenset(query.annotation_ids)),
        None if query.ranking is None else query.ranking.number,
    )
