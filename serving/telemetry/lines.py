"""Lines of the log, for people or for machines."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]


def timestamp(seconds: float) -> str:
    """A time since the epoch as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(seconds: float, level: str, message: str, **fields: Any) -> str:
    """One line of JSON, with the fields that every line has before the others."""
    return json.dumps({"time": timestamp(seconds), "level": level, "message": message} | fields)


class JsonFormatter(logging.Formatter):
    """What this and other packages log, a line of JSON each, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"logger": record.name}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json_line(record.created, record.levelname.lower(), record.getMessage(), **fields)


def log_as(form: Format) -> None:
    """Let Python's logging write so to standard error; as text, it does already."""
    if form == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
