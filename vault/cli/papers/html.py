"""What a page is made of: text that is escaped once, and tables that can be walked without seeing them.

Each table has a caption, which is its name; each column a header cell with its scope, and each row one of its own. It
stands in a region that takes the keyboard's focus, because a wide table must be scrolled by those who have no mouse.
Nothing is said by colour alone, and nothing is fetched: the page forbids itself every source but its own style.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light; }
body { font: 1rem/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 0 auto; max-width: 75rem;
  padding: 1rem; }
a { color: #0b3d91; }
a:focus-visible, [tabindex]:focus-visible { outline: 3px solid #0b3d91; outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2rem; }
code { font: .92em/1.4 ui-monospace, monospace; }
.long { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid #767676; padding: .35rem .5rem; text-align: left; vertical-align: top; }
thead th { background: #ececec; }
td.words { min-width: 16rem; }
.sign { break-inside: avoid; border: 1px solid #767676; padding: 0 1rem 1rem; margin-top: 2rem; }
.line { display: flex; gap: .7rem; align-items: end; margin: 1.6rem 0 0; }
.line span { flex: 1; border-bottom: 1px solid #111; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 9pt; }
  nav, .skip { display: none; }
  .wide { overflow: visible; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    head: str
    kind: str = ""
    """`code` for names out of the policy, `long` for those that may be broken anywhere, `words` for sentences."""


def text(value: str) -> str:
    """Text as it is, whatever stands in it."""
    return escape(value, quote=True)


def table(name: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first cell of each row is its header."""
    head = "".join(f'<th scope="col">{text(column.head)}</th>' for column in columns)
    body = "\n".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    return (
        f'<div class="wide" role="region" aria-labelledby="{name}-caption" tabindex="0">\n'
        f'<table>\n<caption id="{name}-caption">{text(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _cells(columns: Sequence[Column], row: Sequence[str]) -> str:
    out = []
    for number, (column, value) in enumerate(zip(columns, row, strict=True)):
        inside = text(value)
        if column.kind in {"code", "long"}:
            inside = f'<code class="{column.kind}">{inside}</code>'
        if number == 0:
            out.append(f'<th scope="row">{inside}</th>')
        else:
            out.append(f'<td class="words">{inside}</td>' if column.kind == "words" else f"<td>{inside}</td>")
    return "".join(out)


def section(name: str, title: str, *parts: str) -> str:
    """A part of the page that a screen reader can go to."""
    inside = "\n".join(parts)
    heading = f'<h2 id="{name}-title">{text(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{heading}\n{inside}\n</section>'


def page(title: str, header: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """A whole page; sections are (name, title, what `section` made)."""
    links = "".join(f'<li><a href="#{name}">{text(heading)}</a></li>' for name, heading, _ in sections)
    inside = "\n".join(made for _, _, made in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the tables</a>
<header>
<h1>{text(title)}</h1>
{header}
</header>
<nav aria-label="On this page"><ul>{links}</ul></nav>
<main id="main" tabindex="-1">
{inside}
</main>
</body>
</html>
"""
