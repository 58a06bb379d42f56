"""The offline trainer: data, networks, losses, the loop, checkpoints. It never imports `export` or `serving`."""
