"""Which images a request asks for, from its query: the same for the list, for neighbours, and for whose turn it is."""

from __future__ import annotations

from typing import Any

from cocoannot.errors import InvalidQuery, UnknownId
from cocoannot.extension import runtime
from cocoannot.store.queries import RANKED, ImageQuery


def image_query(query: dict[str, Any]) -> ImageQuery:
    """What `query`, loaded by `query_schemas.ImageFilters`, asks for. Raises `InvalidQuery`."""
    fields = dict(query)
    name = fields.pop("predictions", None)
    if (name is not None) != (fields["sort"] in RANKED):
        raise InvalidQuery(
            {"predictions": ["sort=disagreement (or -disagreement) and predictions=NAME belong together; give both"]}
        )
    if name is None:
        return ImageQuery(**fields)
    try:
        return ImageQuery(**fields, ranking=runtime().predictions.ranking(name))
    except UnknownId as exc:
        raise InvalidQuery({"predictions": [str(exc)]}) from exc
