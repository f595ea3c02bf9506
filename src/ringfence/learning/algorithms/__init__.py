"""Fits a part of a data set: trees, what they are held against, and their parameters."""
