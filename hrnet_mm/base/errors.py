"""Errors that a user can mend, and the sentence that a tool prints of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend; the message says what it is and what would be right."""


class UsageError(UserError):
    """Arguments that do not go together, whatever is in the files that they name."""


def sentence_of(error: BaseException) -> str:
    """One line on an error for the user, for example ``there is no photos/a.jpg``."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f'there is no {error.filename}'
    if isinstance(error, OSError) and error.strerror:
        return f'{error.strerror}: {error.filename}' if error.filename else error.strerror
    message = ' '.join(str(error).split())
    if isinstance(error, KeyError) and error.args:
        # A registry's message is a sentence, in the quotes that Python puts around a key.
        message = str(error.args[0]) if ' ' in message else f'missing key {message}'
    return message or type(error).__name__


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``'; did you mean HRNet?'`` where one of the names is nearly this one, else ``''``."""
    close = difflib.get_close_matches(name, names, n=1)
    return f'; did you mean {close[0]}?' if close else ''
