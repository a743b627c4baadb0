"""The page: one HTML file, nothing of which comes from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path

from trionet_nni.data.registry import OWN
from trionet_nni.files.atomic import write_text
from trionet_nni.report.page.findings import Findings, findings
from trionet_nni.report.page.sections import sections
from trionet_nni.settings.project import DataConfig
from trionet_nni.version import __version__

_CSS = """
:root { color-scheme: light dark;
  --ink: #1d1f23; --soft: #5d636c; --rule: #c9cdd3; --page: #fff; --code: #f1f3f5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a3a9b2; --rule: #4b515a; --page: #15171a; --code: #24272c }
}
body { margin: 0 auto; max-width: 62rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--page) }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin-top: 2.2rem;
  border-bottom: 1px solid var(--rule) } h3 { font-size: 1rem; margin-bottom: 0 }
p { margin: .4rem 0 } .remark { color: var(--soft); font-size: .9rem }
.grid { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)) }
.grid > div { min-width: 0 } .grid svg { width: 100%; max-width: 30rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; display: block; overflow-x: auto }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--rule) }
.line td, .line th { white-space: nowrap }
th { color: var(--soft); font-weight: 600 }
code { background: var(--code); padding: .1rem .3rem; border-radius: 4px; overflow-wrap: anywhere }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .35em }
dt { margin-top: .5rem } dd { margin: 0; color: var(--soft) }
@media print { body { max-width: none } }
"""


def write_report(experiment: str | Path, path: Path) -> Findings:
    """Write a search's report.

    Args:
        experiment: NNI's id, or the experiment's folder; it may still run.

    Raises:
        InputError: there is no such experiment, or it has no result yet.
    """
    found = findings(experiment)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(found))
    return found


def _pictures(data: DataConfig) -> str:
    """What they are called: a folder of a user's own by its name."""
    return Path(data.root).name if data.root is not None and data.name in OWN else data.name


def page(found: Findings) -> str:
    """The whole file."""
    title = f"A search over {found.config.space} on {_pictures(found.config.data)}"
    body = "".join(
        f"<section><h2>{escape(heading)}</h2>{text}</section>\n" for heading, text in sections(found)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_CSS}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}"
        f'<p class="remark">Written by trionet-nni {__version__}.</p></body></html>\n'
    )
