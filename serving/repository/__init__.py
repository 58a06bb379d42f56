"""The model repository: which versions there are, and what they say of themselves."""
