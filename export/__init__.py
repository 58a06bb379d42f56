"""The exporter: a finished run in, a verified, self-describing version of the model repository out."""
