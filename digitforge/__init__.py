"""Digits from a server, for Python and the shell; and the ground floor of the house: pictures, latents, the machine."""
