"""What routes and pages do with a request: its parts read, its question answered, its change made."""
