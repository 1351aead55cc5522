"""cocoannot: a server for editing one COCO dataset, held in memory and saved behind."""

__version__ = "0.1.0"
