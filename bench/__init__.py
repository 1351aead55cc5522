"""Measurements of cocoannot beside what it replaces and what limits it; `make bench` runs them."""
