"""The repository's pages in Markdown, as a parser of CommonMark reads them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
PROGRAMS = {
    "make",
    "digitforge",
    "digitforge-train",
    "digitforge-export",
    "digitforge-evaluate",
    "digitforge-page",
    "torchrun",
}
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """Code, fenced or indented; an indented block has no language."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def code_blocks(page: Path) -> list[Block]:
    """All blocks of code of a page."""
    return [
        Block(page, token.map[0] + 1, token.info, token.content)
        for token in MARKDOWN.parse(page.read_text())
        if token.type in ("fence", "code_block") and token.map
    ]


@dataclass(frozen=True)
class Command:
    """A line for the shell, in words; substitutions are left as they stand."""

    page: Path
    line: int
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def commands(page: Path) -> list[Command]:
    """The lines of blocks that are for the shell: marked as such, or indented and begun by a program of ours."""
    return [
        Command(page, block.line + number, words)
        for block in code_blocks(page)
        if block.language == "sh" or (not block.language and block.text.split()[0] in PROGRAMS)
        for number, line in enumerate(block.text.replace("\\\n", "  ").splitlines(), 1)
        if (words := shlex.split(line, comments=True))
    ]


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks."""
    return [token.content for token in _inline(page) if token.type == "code_inline"]


def links(page: Path) -> list[str]:
    """The addresses of links and pictures, as they are written."""
    found = (token.attrGet("href") or token.attrGet("src") for token in _inline(page))
    return [str(address) for address in found if address]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page ends in, by GitHub's rules."""
    tokens = MARKDOWN.parse(page.read_text())
    headings = [inside.content for opening, inside in pairwise(tokens) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _inline(page: Path) -> Iterator[Token]:
    for token in MARKDOWN.parse(page.read_text()):
        yield from token.children or ()
