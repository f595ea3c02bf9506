"""Commands for keys, approvals, personal data and the audit trail."""
