"""What mkdocs.yml needs of the checkout: pages made from files outside docs/, and links to such files.

Links in the Markdown files are those of a checkout, so that they work where the files are read, in an
editor or on a forge. On the site a Python file of the library is its place in the reference, a page is a
page, and what has no page is named by its path.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LIBRARY = ("trionet_nni", "strategies", "spaces")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """The reference's pages at the end of the menu."""
    config.nav.append({"Reference": [{name: f"reference/{name}.md"} for name in rooms()]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that come from elsewhere, and one of the reference for every room of the library."""
    for source, page in PAGES.items():
        text = _links((ROOT / source).read_text(encoding="utf-8"), "")
        files.append(File.generated(config, page, content=text))
    for name in rooms():
        files.append(File.generated(config, f"reference/{name}.md", content=f"::: {name}\n"))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as they are meant on the site."""
    source = page.file.src_uri
    if source in PAGES.values() or source.startswith("reference/"):
        return markdown
    return _links(markdown, "docs")


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Links between pages in the notebook, which are not rewritten as those of Markdown are."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return re.sub(r'href="([\w-]+)\.md"', r'href="../\1/"', html)


def rooms() -> Iterator[str]:
    """Names of the packages with a page in the reference."""
    yield from LIBRARY[1:]
    for init in sorted((ROOT / "trionet_nni").glob("*/__init__.py")):
        yield f"trionet_nni.{init.parent.name}"


def _links(text: str, folder: str) -> str:
    """A page's links, from paths of a checkout to pages of the site.

    Args:
        folder: of the page, below the checkout.
    """

    def replaced(found: re.Match[str]) -> str:
        picture, label, target = found.groups()
        if "://" in target or target.startswith("#"):
            return found[0]
        path, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(folder, path))
        if place in PAGES:
            return f"[{label}]({PAGES[place]}{'#' * bool(anchor)}{anchor})"
        if place.startswith("docs/") and (ROOT / place).is_file():
            return f"{picture}[{label}]({place.removeprefix('docs/')}{'#' * bool(anchor)}{anchor})"
        name = place.removesuffix(".py").replace("/", ".")
        if name.split(".")[0] in LIBRARY and "." in name:
            return f"[{label}][{name}]"
        return f"`{place}`" if label in (place, posixpath.basename(place)) else f"{label} (`{place}`)"

    return LINK.sub(replaced, text)
