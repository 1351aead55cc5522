"""Files on disk: replaced whole, identified, owned. What their bytes mean is not known here."""
