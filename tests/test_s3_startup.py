"""What a start decides about the local copy and the object in S3, row by row; and reading an object gives up its
connection, however it ends."""

from __future__ import annotations

import io

import pytest

from cocoannot.errors import S3Error
from cocoannot.replica.startup import Action, CopyState, ObjectState, decide
from cocoannot.s3.body import Body, Seen
from cocoannot.s3.errors import Errors

NONE, NOT_OURS, UNEDITED, EDITED = CopyState
SAME, CHANGED, GONE, UNREACHABLE = ObjectState

TABLE = [
    (NONE, SAME, Action.DOWNLOAD),
    (NONE, CHANGED, Action.DOWNLOAD),
    (NONE, GONE, Action.STOP),
    (NONE, UNREACHABLE, Action.STOP),
    (NOT_OURS, SAME, Action.STOP),
    (NOT_OURS, CHANGED, Action.STOP),
    (NOT_OURS, GONE, Action.STOP),
    (NOT_OURS, UNREACHABLE, Action.USE_COPY_UNCHECKED),
    (UNEDITED, SAME, Action.USE_COPY),
    (UNEDITED, CHANGED, Action.DOWNLOAD),
    (UNEDITED, GONE, Action.USE_COPY_IN_CONFLICT),
    (UNEDITED, UNREACHABLE, Action.USE_COPY_UNCHECKED),
    (EDITED, SAME, Action.USE_COPY),
    (EDITED, CHANGED, Action.USE_COPY_IN_CONFLICT),
    (EDITED, GONE, Action.USE_COPY_IN_CONFLICT),
    (EDITED, UNREACHABLE, Action.USE_COPY_UNCHECKED),
]


@pytest.mark.parametrize(("copy", "theirs", "action"), TABLE)
def test_the_start_does_what_the_table_says(copy: CopyState, theirs: ObjectState, action: Action) -> None:
    assert decide(copy, theirs) is action


@pytest.mark.parametrize(("copy", "theirs", "action"), TABLE)
def test_a_dataset_is_made_only_where_there_is_neither_a_copy_nor_an_object(
    copy: CopyState, theirs: ObjectState, action: Action
) -> None:
    expected = Action.CREATE if (copy, theirs) == (NONE, GONE) else action
    assert decide(copy, theirs, create=True) is expected


def test_the_table_has_every_row() -> None:
    assert {row[:2] for row in TABLE} == {(copy, theirs) for copy in CopyState for theirs in ObjectState}


def body_of(stream: io.BytesIO, size: int) -> Body:
    return Body(Seen('"1"', size, {}), stream, Errors("bucket"), "a.json")


def test_a_body_that_was_read_to_its_end_is_closed() -> None:
    stream = io.BytesIO(b"x" * 200_000)
    assert b"".join(body_of(stream, 200_000)) == b"x" * 200_000
    assert stream.closed


def test_a_body_that_somebody_stops_reading_is_closed_by_its_with_block() -> None:
    stream = io.BytesIO(b"x" * 200_000)
    with body_of(stream, 200_000) as body:
        next(body)
    assert stream.closed


@pytest.mark.parametrize("size", [2, 4])
def test_a_body_of_another_size_than_announced_is_an_error_and_closed(size: int) -> None:
    stream = io.BytesIO(b"abc")
    with pytest.raises(S3Error, match=rf"read s3://bucket/a\.json: 3 bytes came where {size} were announced"):
        list(body_of(stream, size))
    assert stream.closed


def test_a_body_that_breaks_off_is_an_error_and_closed() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ValueError("no chunk")

    stream = Broken()
    with pytest.raises(S3Error, match=r"read s3://bucket/a\.json: the answer is not what S3 would answer"):
        list(body_of(stream, 1))
    assert stream.closed
