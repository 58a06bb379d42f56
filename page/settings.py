"""What a page is started with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Attributes:
        address: The server's, or several; None: the client's default.
        with_server: Whether to start a server at that address, which ends with the page.
        timeout_s: What a call of the server is given.
        host, port: Where the page listens; port 0: one that is free.
        allow_training: Whether visitors may start the trainer on this machine.
        allowed_hosts: By which names, beside `localhost` and IP addresses, the page may be asked for.
        allowed_origins: Other sites whose scripts may ask it, such as `https://example.org`.
    """

    address: tuple[str, ...] | None = None
    with_server: bool = False
    timeout_s: float = 10.0
    host: str = "127.0.0.1"
    port: int = 8080
    allow_training: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
