"""Which content of the dataset's file stands for which revision: in memory, and in `state.json`.

    one version --expect--> also the next one, in state.json --(rename) replaced--> also in memory --confirm--> it alone

The dataset's file is looked at here, and never written.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cocoannot.files.atomic import Content, Stamp, content_of
from cocoannot.files.lineage import boot_id, new_lineage
from cocoannot.files.state import Remote, State, Version, read_state, write_state


class Identity:
    """The versions that the dataset's file may be now, oldest first; `path` is that of the state file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unsaved: Version | None = None
        """What this process wrote to `unsaved.json`, `None` where nothing."""
        self.remote: Remote | None = None
        """What was agreed with S3 last, `None` for a dataset that is not from there."""
        self.lineage = ""
        """What the revisions belong to (see `cocoannot.files.lineage`); "" before the file was read."""
        self._boot = ""
        self._versions: list[Version] = []
        self._stamp: Stamp | None = None

    @property
    def version(self) -> Version:
        """The newest version that may be in place."""
        return self._versions[-1]

    def stored(self) -> State:
        """What the state file says. Raises `DatasetError`, `OSError`."""
        return read_state(self.path)

    def take(self, versions: list[Version], stamp: Stamp, remote: Remote | None, lineage: str = "") -> None:
        """The file was read: it is one of `versions`, and goes on with `lineage`, "" for a new one."""
        self._versions, self._stamp, self.remote, self.unsaved = versions, stamp, remote, None
        self.lineage, self._boot = lineage or new_lineage(), boot_id()

    def break_lineage(self) -> None:
        """What was told of revisions can't be proven any more to the next start: begin anew."""
        self.lineage = new_lineage()

    def settle(self) -> None:
        """Write down that everything is durable, and that nothing changes any more. Raises `OSError`."""
        self._boot = ""
        self.write()

    def is_known(self, path: Path) -> bool:
        """Whether the file at `path` is one of the versions still. One that was only touched is hashed.

        A file that is gone counts as known: there is nothing that could be written over. Raises `OSError`.
        """
        try:
            stamp = Stamp.of(os.stat(path))
            if stamp == self._stamp:
                return True
            content = content_of(path)
        except FileNotFoundError:
            return True
        if content not in [version.content for version in self._versions]:
            return False
        self._stamp = stamp
        return True

    def number_ids(self, next_ids: dict[str, int]) -> None:
        """The version that was read leaves these ids free; it is not written down yet."""
        self._versions = [msgspec.structs.replace(self.version, next_ids=next_ids)]

    def expect(self, version: Version) -> None:
        """Write down that `version` may be in place from now on; to be called before it is. Raises `OSError`."""
        write_state(self.path, msgspec.structs.replace(self.state(), versions=[*self._versions, version]))

    def replaced(self, version: Version, stamp: Stamp) -> None:
        """`version` is in place; a power cut may bring the older one back until the folder is fsynced."""
        if version != self.version:
            self._versions.append(version)
        self._stamp = stamp

    def confirm(self, version: Version) -> None:
        """`version` is in place, whatever happens; it is not written down yet."""
        self._versions = [version]

    def expect_unsaved(self, version: Version) -> None:
        """Write down that `unsaved.json` may be `version` from now on. Raises `OSError`."""
        write_state(self.path, msgspec.structs.replace(self.state(), unsaved=version))

    def write(self) -> None:
        """Write down what is known. Raises `OSError`."""
        write_state(self.path, self.state())

    def state(self) -> State:
        """What is known, as it is to be in the state file."""
        return State(list(self._versions), self.unsaved, self.remote, lineage=self.lineage, boot=self._boot)


def identify(state: State, content: Content) -> Version:
    """The version that `content` is, with next ids that none in `state` has gone beyond: no id is given twice.

    A content that `state` does not know counts as one revision more than any that it does.
    """
    known = [*state.versions, *([state.unsaved] if state.unsaved else [])]
    sections = {section for version in known for section in version.next_ids}
    next_ids = {section: max(version.next_ids.get(section, 0) for version in known) for section in sections}
    matches = [version.revision for version in known if version.content == content]
    newest = max((version.revision + 1 for version in known), default=0)
    return Version(content.size, content.sha256, matches[-1] if matches else newest, next_ids)
