"""The models that are served, by their names and versions."""
