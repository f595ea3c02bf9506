"""What single values of an event may be, and how they are read and written."""
