"""Work off the event loop: threads for each kind, and jobs that outlast a page."""
