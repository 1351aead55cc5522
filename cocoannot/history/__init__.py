"""Every change kept for good, beside the dataset: written behind the journal, read by revision, record, image, user."""
