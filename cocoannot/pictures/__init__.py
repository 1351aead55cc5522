"""Pictures on disk and in S3: found, never outside their folder, sent, and made small. No dataset is known here."""
