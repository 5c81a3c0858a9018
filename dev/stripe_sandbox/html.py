"""The frame of the sandbox's pages and the pieces they share."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from dev.stripe_sandbox.cards import CARDS, OFFERED

_STYLE = (Path(__file__).parent / "pages.css").read_text(encoding="utf-8")


def frame(title: str, *sections: str) -> bytes:
    """A whole page; the sections are HTML already."""
    body = "\n".join(sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{body}
<p class="soft banner">Stripe sandbox: no real money moves here.</p>
</main>
</body>
</html>
""".encode()


def section(*parts: str, heading: str = "", kind: str = "") -> str:
    title = f"<h2>{escape(heading)}</h2>" if heading else ""
    role = ' role="alert"' if kind == "problem" else ""
    return f'<section class="{kind}"{role}>{title}{"".join(parts)}</section>'


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>'


def link(url: str, text: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(text)}</a></p>'


def table(rows: Iterable[tuple[str, str]], *, total: tuple[str, str] | None = None) -> str:
    """Two columns, a text and an amount; the total as the last row."""
    cells = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in rows)
    if total:
        cells += f"<tr><th>{escape(total[0])}</th><th>{escape(total[1])}</th></tr>"
    return f"<table>{cells}</table>"


def card_form(button: str, *, saved: tuple[str, str] | None = None) -> str:
    """A choice of test cards that posts ``card``; ``saved`` is a method's id and its label."""
    choices = [saved] if saved else []
    choices += [(name, f"{CARDS[name].label} ({_outcome(name)})") for name in OFFERED]
    options = "".join(
        f'<label><input type="radio" name="card" value="{escape(value)}"'
        f"{' checked' if position == 0 else ''}>{escape(text)}</label>"
        for position, (value, text) in enumerate(choices)
    )
    return (
        f'<form method="post"><fieldset><legend>Test card</legend>{options}</fieldset>'
        f'<button type="submit">{escape(button)}</button></form>'
    )


def _outcome(name: str) -> str:
    return "charges are declined" if CARDS[name].decline else "pays"
