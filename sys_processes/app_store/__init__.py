"""Packages: the shapes of their files, and the decision what installing one would do."""
