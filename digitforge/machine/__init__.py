"""What a machine gives, and how it is asked: cores, files, the runtime of the models."""
