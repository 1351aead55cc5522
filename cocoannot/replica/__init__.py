"""The dataset's object in S3, and the local copy that is edited."""
