"""What `ringfence init` puts into a new project folder, file by file."""
