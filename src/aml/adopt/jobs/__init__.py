"""The job files of the repository, and its data."""
