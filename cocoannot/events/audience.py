"""Who follows what: streams, and an index of those that follow only some images. Used by the hub's thread alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cocoannot.events.stream import Stream

Images = frozenset[int] | None
"""Some images, `None` for all that there are."""


class Audience:
    """All open streams."""

    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}
        self._of_all: dict[int, Stream] = {}
        self._of_image: dict[int, dict[int, Stream]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        # A copy: whoever goes through them may close some.
        return iter(list(self._streams.values()))

    def get(self, fd: int) -> Stream | None:
        """The stream on this descriptor."""
        return self._streams.get(fd)

    def add(self, stream: Stream) -> None:
        """Somebody came."""
        self._streams[stream.fd] = stream
        if stream.images is None:
            self._of_all[stream.fd] = stream
        for image in stream.images or ():
            self._of_image.setdefault(image, {})[stream.fd] = stream

    def remove(self, stream: Stream) -> bool:
        """Somebody goes; returns whether they were here."""
        if self._streams.pop(stream.fd, None) is None:
            return False
        self._of_all.pop(stream.fd, None)
        for image in stream.images or ():
            following = self._of_image[image]
            del following[stream.fd]
            if not following:
                del self._of_image[image]
        return True

    def of(self, concerned: Iterable[Images]) -> list[Stream]:
        """Those whom any of `concerned` concerns."""
        images: set[int] = set()
        for some in concerned:
            if some is None:
                return list(self)
            images |= some
        found = dict(self._of_all)
        for image in images & self._of_image.keys():
            found.update(self._of_image[image])
        return list(found.values())


def overlap(images: Images, others: Images) -> bool:
    """Whether any image is in both."""
    return images is None or others is None or not images.isdisjoint(others)
