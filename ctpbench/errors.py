"""What can go wrong by the user's hand: one line on stderr and exit code 2. Anything else is a bug."""

from __future__ import annotations


class CtpbenchError(Exception):
    """Base of every error a user can mend. Its text says where, what was got, what is allowed, what to do."""


class InputError(CtpbenchError):
    """What a person wrote is wrong: a suite, claims, an option. May hold many lines: one for each fault."""


class PluginError(CtpbenchError):
    """A plugin is missing, broken, or offers what another plugin already offers."""


class DataError(CtpbenchError):
    """A dataset's files or a case made from them break what `ctpbench.contract` says of it."""


class ResultError(CtpbenchError):
    """A run's folder or its results are missing, unreadable or of another format."""
