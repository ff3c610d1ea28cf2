"""The serverless entry point: an HTTP event in, a response out."""
