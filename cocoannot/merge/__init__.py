"""Two sides that changed the same thing, put together against what both began with. Nothing is read or written here."""
