"""cocoannot: a server for editing one COCO dataset, held in memory and saved behind.

The server is imported when it is asked for: `cocoannot.client` is for programs that need nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cocoannot.version import __version__

if TYPE_CHECKING:
    from cocoannot.app import create_app

__all__ = ["__version__", "create_app"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from cocoannot.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
