"""S3: objects over HTTP, and a dataset that lives there. The only place that knows boto3."""
