"""Sphinx configuration: Markdown pages, API reference from docstrings, no file from the network."""

from importlib.metadata import version as installed_version

from latex2mathml.converter import convert

project = "asteroid_instglow"
author = "asteroid_instglow maintainers"
release = version = installed_version("asteroid_instglow")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings name the types
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Shape", "notes_style"), ("Yields", "returns_style")]

html_theme = "furo"
html_title = "asteroid_instglow"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_show_copyright = False


def _visit_inline(translator, node):
    translator.body.append(convert(node.astext()))
    raise _skip()


def _visit_block(translator, node):
    label = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    body = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math">{body}{label}</div>')
    raise _skip()


def _skip():
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app):
    """Renders equations as MathML, which browsers show without a script."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
