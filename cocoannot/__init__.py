"""cocoannot: a server for editing one COCO dataset, held in memory and saved behind."""

from cocoannot.app import create_app
from cocoannot.version import __version__

__all__ = ["__version__", "create_app"]
