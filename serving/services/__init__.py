"""Protocols: messages to calls of what is served, and refusals to statuses."""
