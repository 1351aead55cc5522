"""Routes that many applications of one process share, each compiled once."""

from __future__ import annotations

from typing import ClassVar

from werkzeug.routing import Rule


class RuleOfMany(Rule):
    """A route that is as an earlier one was made, where all that it is compiled from is the same.

    That holds for maps with the same converters and options, which all applications here have.
    """

    _compiled: ClassVar[dict[str, Rule]] = {}

    def compile(self) -> None:
        given = repr({name: value for name, value in vars(self).items() if name != "map"})
        if same := self._compiled.get(given):
            vars(self).update({**vars(same), "map": self.map})
        else:
            super().compile()
            self._compiled[given] = self
