"""The pages of the dashboard, a file for each, in rooms by subject."""
