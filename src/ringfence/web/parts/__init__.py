"""What pages are made of: requests read, values written, tables and charts."""
