"""Parts on AWS, by boto3: the audit item of each decision in DynamoDB, signed calls of SageMaker."""

from ringfence.adapters.aws.audit_table import AuditTable, create_table
from ringfence.adapters.aws.clients import aws_client

__all__ = ["AuditTable", "aws_client", "create_table"]
