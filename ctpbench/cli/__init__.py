"""The command line. Everything heavy is imported in the command that needs it, so that --help answers at once.

A module that is imported registers its commands: the imports' order is the one they are listed in.
"""

from __future__ import annotations

# isort: off
from ctpbench.cli import runs  # noqa: F401
from ctpbench.cli import boards  # noqa: F401
from ctpbench.cli import report  # noqa: F401
from ctpbench.cli import cleaning  # noqa: F401
from ctpbench.cli import cache  # noqa: F401
from ctpbench.cli import verification  # noqa: F401
from ctpbench.cli import rescoring  # noqa: F401
from ctpbench.cli import submission  # noqa: F401
from ctpbench.cli import merging  # noqa: F401
from ctpbench.cli import scans  # noqa: F401
from ctpbench.cli import new  # noqa: F401
from ctpbench.cli import catalogue  # noqa: F401
from ctpbench.cli import completion  # noqa: F401
from ctpbench.cli.group import main as main
