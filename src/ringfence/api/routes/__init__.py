"""What is asked and done over HTTP, a file for each subject."""
