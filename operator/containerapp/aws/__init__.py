"""The only importers of boto3."""
