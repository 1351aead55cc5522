"""Predictions: what models say of the dataset's images, in layers beside it. Nothing of it is in the dataset's file."""
