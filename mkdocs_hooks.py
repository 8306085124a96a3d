"""What MkDocs does beside mkdocs.yml, so that one Markdown reads well as a site and where the repository is looked at.

README.md and its neighbours become pages, links to files outside docs/ lead to copies of these files, and a page of
docs/ that mkdocs.yml does not name is put at the end of the guides.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
"""Pages of the site that lie outside docs/."""
COPIES = "repository/"
"""Folder of the site for files outside docs/ that a page links to."""
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
LOG = get_plugin_logger(__name__)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the pages that mkdocs.yml does not name."""
    named = re.findall(r"[\w/-]+\.md", repr(config.nav))
    pages = (str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))
    others = sorted(set(pages).difference(named))
    (guides,) = (part["Guides"] for part in config.nav or [] if isinstance(part, dict) and "Guides" in part)
    guides += others
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside docs/, and the files outside docs/ that a page links to."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for link in LINK.finditer((ROOT / _source(page)).read_text()):
            target = _target(page, link["target"])
            copied = target.removeprefix(COPIES)
            if copied == target or files.get_file_from_path(target):
                continue
            if not (ROOT / copied).is_file():
                LOG.warning(f"{_source(page)} links to {copied}, which is no file.")
                continue
            copy = File.generated(config, target, abs_src_path=str(ROOT / copied))
            copy.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(copy)
            waiting += [target] if target.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links to where their targets lie in the site."""
    here = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        target = posixpath.relpath(_target(here, link["target"]), posixpath.dirname(here) or ".")
        return target + (link["anchor"] or "")

    return LINK.sub(led, markdown)


def _source(page: str) -> str:
    """The file of the repository that a page of the site is made of."""
    if page.startswith(COPIES):
        return page.removeprefix(COPIES)
    return PAGES.get(page, f"docs/{page}")


def _target(page: str, link: str) -> str:
    """The file of the site that a link of a page leads to."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_source(page)), link))
    for name, source in PAGES.items():
        if path == source:
            return name
    return path.removeprefix("docs/") if path.startswith("docs/") else COPIES + path
