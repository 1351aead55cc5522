"""The client: what a program may ask of a server, each as one method."""

from __future__ import annotations

import json
import os
import ssl
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from cocoannot.client.errors import NoAnswer
from cocoannot.client.events import Event, Parser
from cocoannot.client.records import Record, record_of
from cocoannot.client.transport import Broken, Transport

Section = Literal["images", "annotations", "categories"]

_PAGE = 1000
_BLOCK = 1 << 18


class Client:
    """Calls one server of cocoannot; any thread may use it.

    `token` is a personal token, or the server's; without one, `login` takes a name and a password. `timeout` is how
    many seconds an answer may keep one waiting, `patience` how many a call is repeated where it breaks off, or the
    server can't answer (429, 502, 503, 504). `context` is for https with certificates of one's own.

    A change that is repeated has a key, so that the server makes it once. Every method raises `ClientError`.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        timeout: float = 60.0,
        patience: float = 60.0,
        context: ssl.SSLContext | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._transport = Transport(url, timeout, patience, context, wait)
        if token is not None:
            self._transport.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections; the client can be used further."""
        self._transport.close()

    @property
    def revision(self) -> int | None:
        """The dataset's revision, as the latest answer told it; `None` before there was one."""
        return self._transport.revision

    def login(self, user: str, password: str) -> dict[str, Any]:
        """Log in; returns who one is (`GET /api/me`). Raises `NotLoggedIn`."""
        answer = self._transport.call("POST", "/api/login", body={"user": user, "password": password})
        cookies = SimpleCookie(answer.headers.get("set-cookie", ""))
        self._transport.headers["Cookie"] = "; ".join(f"{name}={each.value}" for name, each in cookies.items())
        return self._json("GET", "/api/me")

    def status(self) -> dict[str, Any]:
        """What is saved and what is not."""
        return self._json("GET", "/api/status")

    def images(self, **filters: Any) -> Iterator[Record]:
        """Each image, page by page; `filters` are those of `GET /api/images`, such as `status="open"`.

        Where images are added or deleted meanwhile, some may be left out, or come twice; `snapshot` is of one moment.
        """
        return self._pages("/api/images", filters)

    def annotations(self, **filters: Any) -> Iterator[Record]:
        """Each annotation; `filters` are `image_id`, `category_id` and `iscrowd`. See `images`."""
        return self._pages("/api/annotations", filters)

    def annotations_of(self, image_id: int, at: int | None = None) -> list[Record]:
        """The annotations of an image, in file order, as they are now, or were at a revision."""
        query = {"with": "etag", "at": at}
        found = self._transport.call("GET", f"/api/images/{image_id}/annotations", query).json
        return [record_of(each) for each in found]

    def categories(self) -> Iterator[Record]:
        """Each category."""
        yield from map(record_of, self._transport.call("GET", "/api/categories").json)

    def get(self, section: Section, record_id: int) -> Record:
        """One record with its ETag. Raises `NotFound`."""
        answer = self._transport.call("GET", f"/api/{section}/{record_id}")
        return record_of(answer.json, answer.etag)

    def add(self, section: Section, fields: Mapping[str, Any]) -> Record:
        """Add a record; returns it as it is stored, with its id. Raises `Invalid`, `Conflict`."""
        answer = self._transport.call("POST", f"/api/{section}", body=fields, keyed=True)
        return record_of(answer.json, answer.etag)

    def update(
        self,
        section: Section,
        record: Record | int,
        changes: Mapping[str, Any],
        *,
        if_match: str | None = None,
        merge: bool = False,
    ) -> Record:
        """Change fields of a record (`None` removes one); returns it as it is then.

        Only where it still has the version `if_match`, by default that of a `record` that was read; with an id alone,
        whatever its version. With `merge`, others may have changed other fields.

        Raises `VersionMismatch`, `Invalid`, `NotFound`.
        """
        answer = self._transport.call(
            "PATCH",
            f"/api/{section}/{_id_of(record)}",
            {"on_conflict": "merge"} if merge else None,
            changes,
            _match(record, if_match),
            keyed=True,
        )
        return record_of(answer.json, answer.etag)

    def delete(
        self, section: Section, record: Record | int, *, if_match: str | None = None, reassign_to: int | None = None
    ) -> None:
        """Delete a record, an image with its annotations; a category may give its annotations to another one.

        As to versions, see `update`. Raises `VersionMismatch`, `Conflict`, `NotFound`.
        """
        query, headers = {"reassign_to": reassign_to}, _match(record, if_match)
        self._transport.call("DELETE", f"/api/{section}/{_id_of(record)}", query, headers=headers, keyed=True)

    def batch(self, operations: Sequence[Mapping[str, Any]]) -> list[Record | None]:
        """Change many annotations as one change, all or none; operations are those of `POST /api/annotations/batch`.

        At most 10,000. Returns the annotations in order, `None` for a deleted one. Raises `Invalid`, `Conflict`,
        `VersionMismatch`, `NotFound`.
        """
        body = {"operations": list(operations)}
        results = self._transport.call("POST", "/api/annotations/batch", body=body, keyed=True).json["results"]
        found = [(each.get("annotation"), each.get("etag")) for each in results]
        return [None if fields is None else record_of(fields, etag) for fields, etag in found]

    def set_status(self, image_id: int, status: str, comment: str | None = None) -> Record:
        """Say how far an image is: `open`, `done`, `empty`, `skipped`, `approved` or `returned` with a comment."""
        body = {"status": status, **({} if comment is None else {"comment": comment})}
        answer = self._transport.call("PUT", f"/api/images/{image_id}/status", body=body)
        return record_of(answer.json, answer.etag)

    def flush(self) -> dict[str, Any]:
        """Save now; `saved` tells whether there was anything to save."""
        return self._json("POST", "/api/flush")

    def events(self, last_event_id: str | int | None = None, *, image_id: int | None = None) -> Iterator[Event]:
        """What happens from now on, or from after an event on, without an end; those of one image, where that is given.

        Where the stream breaks off it goes on after the last event, over restarts of the server. An event `reset` says
        that this is not possible: read the dataset again. Raises `NoAnswer` where nothing came for `patience` seconds.
        """
        parser = Parser(None if last_event_id is None else str(last_event_id))
        transport = self._transport
        address = transport.address("/api/events", {"image_id": image_id})
        while True:
            for attempt in transport.attempts():
                with attempt:
                    headers = {} if parser.last_id is None else {"Last-Event-ID": parser.last_id}
                    with transport.stream(address, headers) as response:
                        yield from parser.events(_lines(response))
            # It ended, perhaps since the server does: there is no hurry to be the first one there again.
            transport.wait(_PAUSE)

    def snapshot(self, path: str | os.PathLike[str], **filters: Any) -> int:
        """Write the dataset as it is at one moment to a file, as a whole or not at all; returns its revision.

        `filters` are those of `GET /api/dataset/export`, such as `category_id=[1, 2]`, `status="approved"`, `at=42` or
        `ids="contiguous"`. Raises `OSError` for the file.
        """
        target = Path(path)
        address = self._transport.address("/api/dataset/export", filters)
        for attempt in self._transport.attempts():
            with attempt, self._transport.stream(address, {"Accept-Encoding": "gzip"}) as response:
                revision = response.headers.get("X-Dataset-Revision", "")
                if not revision.isdecimal():
                    raise NoAnswer(f"what answered at {self._transport.url} is no server of cocoannot")
                _write_whole(target, _unpacked(response, self._transport.url))
                return int(revision)
        raise AssertionError("attempts end by a return or an error")

    def upload_predictions(
        self, name: str, results: Iterable[Mapping[str, Any]] | str | os.PathLike[str]
    ) -> dict[str, Any]:
        """Put a model's results beside the dataset, as the layer `name`, in the place of one of that name.

        `results` are COCO's: `{"image_id", "category_id", "bbox" or "segmentation", "score"}` each, numbers of NumPy
        too; or the path of a file with them. Raises `Invalid`, which says what does not fit.
        """
        is_path = isinstance(results, str | os.PathLike)
        body: Any = Path(results).read_bytes() if is_path else list(results)  # type: ignore[arg-type]
        path = f"/api/predictions/{quote(name, safe='')}"
        answer: dict[str, Any] = self._transport.call("PUT", path, body=body).json
        return answer

    def _pages(self, path: str, filters: Mapping[str, Any]) -> Iterator[Record]:
        page, pages = 1, 1
        while page <= pages:
            query = {"with": "etag", "page_size": _PAGE, **filters, "page": page}
            answer = self._transport.call("GET", path, query)
            yield from map(record_of, answer.json)
            pages = json.loads(answer.headers.get("x-pagination", "{}")).get("total_pages", 0)
            page += 1

    def _json(self, method: str, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._transport.call(method, path).json
        return answer


_PAUSE = 1.0


def _id_of(record: Record | int) -> int:
    return record if isinstance(record, int) else int(record["id"])


def _match(record: Record | int, if_match: str | None) -> dict[str, str]:
    """The header that asks for a version."""
    tag = if_match if if_match is not None or isinstance(record, int) else record.etag
    return {} if tag is None else {"If-Match": "*" if tag == "*" else f'"{tag}"'}


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    """The lines of a stream, until it ends or breaks off."""
    with suppress(OSError, HTTPException):
        while line := response.readline():
            yield line


def _unpacked(response: HTTPResponse, url: str) -> Iterator[bytes]:
    """The text of an answer, whole. Raises `Broken` where it breaks off."""
    unpacker = zlib.decompressobj(31) if response.headers.get("Content-Encoding") == "gzip" else None
    length = response.headers.get("Content-Length")
    size = 0
    try:
        while block := response.read(_BLOCK):
            size += len(block)
            yield unpacker.decompress(block) if unpacker else block
    except (OSError, HTTPException, zlib.error) as exc:
        raise Broken(NoAnswer(f"{url} broke off its answer: {exc}")) from exc
    if (unpacker is not None and not unpacker.eof) or (length is not None and size < int(length)):
        raise Broken(NoAnswer(f"{url} broke off its answer after {size} bytes"))


def _write_whole(target: Path, blocks: Iterable[bytes]) -> None:
    """Write a file beside its place, and put it there when it is complete. Raises `OSError`."""
    fd, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent)
    try:
        with open(fd, "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
