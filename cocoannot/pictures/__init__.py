"""Pictures on disk: found, never outside the image folder, and made small. Which record they belong to is not known."""
