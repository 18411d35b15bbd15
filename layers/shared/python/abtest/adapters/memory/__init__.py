"""The stores in memory: the same promises as DynamoDB and S3, kept for the life of the process."""
