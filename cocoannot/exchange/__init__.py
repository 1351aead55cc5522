"""Data in and out: parts of a dataset, other formats, tags. It knows no Flask, and no store's inside."""
