"""What people do with a running installation: each use case once, for command line, API and dashboard alike.

An edge reads what it was sent, asks a desk, and shows the answer. What is allowed, in which order things
happen and what is warned of is decided here.
"""
