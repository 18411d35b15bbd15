"""What the domains' ports are made of: HTTP, DynamoDB, S3, SQS, Step Functions, secrets, memory."""
