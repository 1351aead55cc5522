"""Stores of one dataset behind one seam, `cocoannot.store.base`."""
