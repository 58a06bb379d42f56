"""How many processes serve, and their life."""
