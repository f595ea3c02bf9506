"""S3 as a place for files, with the credentials, region and endpoint of every part that asks AWS."""
