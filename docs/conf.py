"""How the site is built: ``STREAMCORE_BACKEND=pure sphinx-build -W -n --keep-going -b html docs build/site``.

The pure twin has the annotations that the API pages show, so that neither a compiler nor a network is needed. With
``STREAMCORE_DOCS_INTERSPHINX`` set, types of Python and numpy become links to their pages, and are checked.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from importlib import import_module
from typing import Any

from docutils.nodes import Text
from sphinx.addnodes import pending_xref
from sphinx.errors import ConfigError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

import streamcore
import streamcore.scale
import streamcore.stages
import streamcore.testing
from streamcore import ops

if streamcore.BACKEND != "pure":
    raise ConfigError("set STREAMCORE_BACKEND=pure: the native core has no annotations to show")

project = "streamcore"
release = version = streamcore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"streamcore {release}"
html_copy_source = html_show_sourcelink = html_show_copyright = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90

nitpick_ignore_regex = [
    ("py:class", r"npt?\.\w+"),
    ("py:class", r"streamcore\.(_pure|_shared|runnables|scale|stages)\..*"),  # what has no page of its own
    ("py:class", r"\w+|dict\[str"),  # variables, aliases and options of types: an annotation may name any
]
if os.environ.get("STREAMCORE_DOCS_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
    }
else:
    foreign = "asyncio builtins collections concurrent datetime logging numpy os pathlib re types typing"
    nitpick_ignore_regex.append(("py:.*", rf"({foreign.replace(' ', '|')})(\..*)?"))

MODULES = (streamcore.testing, streamcore.scale, streamcore)
PUBLIC = {name: f"{module.__name__}.{name}" for module in MODULES for name in module.__all__}


def resolve_public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Lead a type that is named by where it is defined to the public name that has an entry."""
    module, _, name = str(node.get("reftarget", "")).rpartition(".")
    public = PUBLIC.get(name)
    if node.get("refdomain") != "py" or public is None:
        return None
    if module and getattr(sys.modules.get(module), name, None) is not public_object(public):
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, content)


def public_object(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def show_written_signatures(app: Any) -> None:
    """Show the one signature of a stage that has its options, instead of its overloads by the type of the items."""
    for module in pkgutil.iter_modules(streamcore.stages.__path__, "streamcore.stages."):
        analyzer = ModuleAnalyzer.for_module(module.name)  # kept, and asked by autodoc
        analyzer.analyze()
        analyzer.overloads.clear()


def leave_type_variables(app: Any, doctree: Any) -> None:
    """Keep the type variables of Runnables from being led to the classes of the same names."""
    if app.env.docname == "api/runnables":
        for node in list(doctree.findall(pending_xref)):
            if node["refdomain"] == "py" and node["reftarget"].rpartition(".")[2] in ("Input", "Chunk"):
                node.replace_self(Text(node["reftarget"].rpartition(".")[2]))


def name_what_is_missing(app: Any, env: Any) -> None:
    """Warn of each public name without an entry."""
    domain = env.get_domain("py")
    for module in (*MODULES, ops):
        for name in (f"{module.__name__}.{each}" for each in module.__all__):
            if name not in domain.objects and name not in domain.modules:
                logging.getLogger(__name__).warning("%s has no entry in docs/api", name)


def setup(app: Any) -> None:
    app.connect("doctree-read", leave_type_variables)
    app.connect("missing-reference", resolve_public)
    app.connect("env-check-consistency", name_what_is_missing)
    app.connect("builder-inited", show_written_signatures)
