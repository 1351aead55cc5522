"""Objects in S3 over HTTP. The only place that knows boto3."""
