"""What crosses a boundary: records on S3, step inputs and outputs, queue messages."""
