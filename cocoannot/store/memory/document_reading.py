"""What the text of a dataset's file means, found while another thread hashes it. Nothing of the file itself."""

from __future__ import annotations

import shlex

from cocoannot.coco.parser import Document, read_document
from cocoannot.errors import DatasetError, NotADataset


class DocumentReading:
    """Reads one text; `name` is how errors call its file. What is wrong with it is raised when it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text: bytes | None = None
        self._found: Document | DatasetError | None = None

    def read(self, text: bytes) -> None:
        """Read `text`, to be asked for later."""
        self._text = text
        try:
            self._found = read_document(text, self._name)
        except DatasetError as exc:
            self._found = exc

    def document(self, text: bytes) -> Document:
        """What `text` means, whether it was read or is to be read now. Raises `DatasetError`."""
        if self._text is not text:
            self.read(text)
        found, self._found, self._text = self._found, None, None
        if isinstance(found, Document):
            return found
        assert found is not None
        if isinstance(found, NotADataset):
            raise found
        raise DatasetError(
            f"{found}. `flask check {shlex.quote(self._name)} --fix OUT` writes a repaired copy, where one can be made"
        ) from found
