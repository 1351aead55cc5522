"""Data in and out: datasets merged, compared, split; parts of one, other formats, tags.

It knows no Flask, and no store's inside. What one import does to a dataset is the store's business.
"""
