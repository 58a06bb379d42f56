"""How the address of a Unix socket is written, by clients and by the server: as gRPC's clients take it."""

UNIX = "unix:"  # and then a path
