"""Sphinx configuration: Markdown pages, API reference from docstrings, no file from the network."""

import re
from importlib.metadata import version as installed_version

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.nodes import make_refnode

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


def _mathml(node, display):
    # Browsers set no space after the name of a function.
    return convert(node.astext(), display=display).replace(
        "<mi>log</mi>", '<mi>log</mi><mspace width="0.17em"/>'
    )


def _visit_inline(translator, node):
    translator.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _visit_block(translator, node):
    label = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    body = _mathml(node, "block")
    translator.body.append(f'<div class="math">{body}{label}</div>')
    raise nodes.SkipNode


def _link_by_name(app, env, node, text):
    # Docstrings name classes and functions briefly, or as imported from a package.
    if node.get("refdomain") != "py":
        return None
    domain, name = env.get_domain("py"), node["reftarget"]
    kinds = domain.objtypes_for_role(node["reftype"]) or []
    for ending in (name, name.rpartition(".")[2]):
        found = [
            (entry.docname, entry.node_id)
            for full_name, entry in domain.objects.items()
            if full_name.endswith(f".{ending}") and entry.objtype in kinds
        ]
        if len(found) == 1:
            return make_refnode(app.builder, node["refdoc"], *found[0], text)
    return None


def _keep_together(app, doctree):
    # A score and its interval, or two scores, stay on one line of a table.
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            joined = re.sub(r"(?<=\d) ([±/]) (?=[-−+]?\d)", "\u00a0\\1\u00a0", text)
            text.parent.replace(text, nodes.Text(joined))


def setup(app):
    """Renders equations as MathML, which browsers show without a script."""
    app.connect("missing-reference", _link_by_name)
    app.connect("doctree-read", _keep_together)
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
