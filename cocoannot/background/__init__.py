"""Threads, and when they act. What they call is given to them."""
