"""Large JSON files entry by entry, so that COCO's half gigabyte needs no gigabytes of memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

FIRST_BLOCK = 1 << 22  # characters; a block grows while one value does not fit into it
DECODER = json.JSONDecoder()
WHITE_SPACE = re.compile(r'[ \t\n\r]*')
AFTER_ELEMENT = re.compile(r'[ \t\n\r]*([,\]])[ \t\n\r]*')
STARTS_LATER = frozenset(('', ' ', '\t', '\n', '\r'))


class Reader:
    """The values of a JSON text, one after the other."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.text = ''
        self.position = 0

    def more(self) -> bool:
        """Read the next block, dropping the text before the position; False at the end."""
        rest = len(self.text) - self.position
        block = self.file.read(max(FIRST_BLOCK, rest))
        if block:
            self.text, self.position = self.text[self.position :] + block, 0
        return bool(block)

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self.position = WHITE_SPACE.match(self.text, self.position).end()
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.more():
                return ''

    def take(self, expected: str) -> str:
        """Pass the next character, which is one of the expected ones, and return it."""
        found = self.peek()
        if not found or found not in expected:
            raise ValueError(f'expected one of {expected}')
        self.position += 1
        return found

    def value(self) -> Any:
        """Read the next value, whole."""
        while True:
            if self.text[self.position : self.position + 1] in STARTS_LATER:
                self.peek()
            try:
                value, end = DECODER.raw_decode(self.text, self.position)
            except ValueError:
                if not self.more():
                    raise
                continue
            if end + 2 >= len(self.text) and self.more():
                continue  # a number may go on in the next block, as 3.5 does in 3.5e-7
            self.position = end
            return value

    def elements(self) -> Iterator[Any]:
        """The elements of a list."""
        self.take('[')
        if self.peek() == ']':
            self.take(']')
            return
        while True:
            yield self.value()
            found = AFTER_ELEMENT.match(self.text, self.position)
            if found is None or found.end() == len(self.text):  # perhaps the end of a block
                end = self.take(',]')
            else:
                self.position, end = found.end(), found[1]
            if end == ']':
                return

    def members(self) -> Iterator[str]:
        """The keys of an object; the caller reads the value of each before it takes the next."""
        self.take('{')
        if self.peek() == '}':
            self.take('}')
            return
        while True:
            key = self.value()
            self.take(':')
            yield key
            if self.take(',}') == '}':
                return


def entries(path: Path) -> Iterator[tuple[str, int | None, Any]]:
    """What a JSON object or list holds, without ever holding all of it.

    Yields:
        The key, the position in its list and the entry, for each element of a list; the key, None
        and the value for anything else; (key, None, []) for each list before its elements. The key
        of a document that is no object is ''.

    Raises:
        ValueError: it is not JSON; the message is that of :func:`json.loads`.
    """
    try:
        with path.open(encoding='utf-8') as file:
            reader = Reader(file)
            for key in reader.members() if reader.peek() == '{' else ('',):
                if reader.peek() == '[':
                    yield key, None, []
                    for position, entry in enumerate(reader.elements()):
                        yield key, position, entry
                else:
                    yield key, None, reader.value()
            if reader.peek():
                raise ValueError('more than one document')
    except ValueError:
        json.loads(path.read_text(encoding='utf-8'))  # says where in the whole file
        raise
