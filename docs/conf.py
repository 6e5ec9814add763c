"""Sphinx's settings. `sphinx-build -W --keep-going -j auto docs build/manual` builds the manual."""

from __future__ import annotations

import sys
from pathlib import Path

_DOCS = Path(__file__).resolve().parent
# What is documented is the package beside this folder, whichever is installed.
sys.path[:0] = [str(_DOCS / "_ext"), str(_DOCS.parent)]

import npnet  # noqa: E402 # it is found only now

project = "npnet"
author = "The npnet developers"
copyright = "The npnet developers"
version = release = npnet.__version__

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "npnet_manual",
]
exclude_patterns = ["_ext", "_static", "README.md", "**/.ipynb_checkpoints"]
root_doc = "index"

# Notebooks are shown with the outputs that they are stored with; a test executes them.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # nothing is loaded from another host
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
highlight_language = "none"  # of blocks that name no language, such as what a command prints

html_title = "npnet"
html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navigation_depth": 2,
    "show_toc_level": 2,
    "navbar_align": "left",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
# Pages without others below them have nothing to navigate.
html_sidebars = {
    page: []
    for page in (
        *("index", "tutorial", "kernels", "coming-from-pytorch", "results", "reliability"),
        *("teachers", "project/*", "code/*"),
    )
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
