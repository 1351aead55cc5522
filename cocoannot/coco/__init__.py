"""The COCO format, without state: reading, writing, geometry, and what a record must be."""
