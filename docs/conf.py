"""How ``make docs`` builds the documentation: offline, with warnings as errors, into ``docs/_build/html``."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import tempfile
from pathlib import Path

import ctpbench

sys.path.insert(0, str(Path(__file__).parent / "_ext"))


def quiet_kernels() -> None:
    """Let the kernels of notebooks, and who runs them, say what is an error and nothing else on their logs.

    A kernel reads its settings from a folder of this build, not from that of whoever builds.
    """
    folder = tempfile.TemporaryDirectory(prefix="ctpbench-docs-")
    atexit.register(folder.cleanup)
    profile = Path(folder.name) / "profile_default"
    profile.mkdir()
    (profile / "ipython_kernel_config.py").write_text(f"get_config().IPKernelApp.log_level = {logging.ERROR}\n")
    os.environ["IPYTHONDIR"] = folder.name
    logging.getLogger("traitlets").setLevel(logging.ERROR)


quiet_kernels()

project = "ctpbench"
author = "The ctpbench developers"
copyright = "The ctpbench developers"
version = release = ctpbench.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "myst_nb",
    "mathml",
    "installed",
]
exclude_patterns = ["_build", "_ext"]

default_role = "py:obj"  # a name in single backticks is a link where it is known
python_maximum_signature_line_length = 88
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_custom_sections = ["Conventions"]
napoleon_use_ivar = True

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

html_theme = "furo"
html_title = "ctpbench"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
