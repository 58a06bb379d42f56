"""What strangers' connections do to a server, and what its well-behaved callers notice of it."""
