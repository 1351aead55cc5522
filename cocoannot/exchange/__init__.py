"""Data in and out: datasets merged, compared, split. What one import does to a dataset is the store's business."""
