"""Catalogues of translations: `python -m dev.catalogues` brings them in step with the texts.

Reads every text marked in Python and templates, adds what is new to each `locale/*/LC_MESSAGES/
django.po`, drops what is gone and compiles the `.mo` beside it. `--check` changes nothing and says
what is wrong: texts that are not in the catalogues, translations that are missing or whose
placeholders are not those of their text, a `.mo` that is not its `.po`. Needs no gettext tools.
"""

import ast
import datetime as dt
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

_ROOT = Path(__file__).resolve().parent.parent
_LOCALE = _ROOT / "locale"
LANGUAGES = ("de", "fr", "es", "ja")
_PACKAGES = ("billing", "usage", "invoices", "analytics")
_FUNCTIONS = {
    "_": 0, "_lazy": 0, "_noop": 0, "gettext": 0, "gettext_lazy": 0, "gettext_noop": 0,
    "ngettext": 1, "ngettext_lazy": 1, "pgettext": 2, "pgettext_lazy": 2,
}  # fmt: skip
_TAG = re.compile(
    r"{%\s*(?:translate|trans)\s+(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')(.*?)%}", re.S
)
_CONTEXT = re.compile(r"\bcontext\s+(\"[^\"]*\"|'[^']*')")
_INLINE = re.compile(r"(?<![\w.])_\((\"[^\"]*\"|'[^']*')\)")
_BLOCK = re.compile(r"{%\s*blocktrans(?:late)?\b(.*?)%}(.*?){%\s*endblocktrans(?:late)?\s*%}", re.S)
_PLURAL = re.compile(r"{%\s*plural\s*%}")
_VARIABLE = re.compile(r"{{\s*([\w.]+)\s*}}")
# What a translation must have too: %(name)s of templates, {name} of Python's format.
_PLACEHOLDER = re.compile(r"%\(\w+\)s|(?<!\{)\{\w*\}(?!\})|%[sd]")

Message = tuple[str | None, str | tuple[str, str]]


def messages() -> set[Message]:
    """All texts that are marked, each with its context."""
    found: set[Message] = set()
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                found |= set(_of_python(path))
    for path in sorted((_ROOT / "templates").rglob("*")):
        if path.suffix in (".html", ".txt"):
            found |= set(_of_template(path.read_text()))
    return found


def _of_python(path: Path) -> Iterator[Message]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        kind = _FUNCTIONS.get(name)
        texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
        if kind is None or not all(isinstance(each, str) for each in texts[: min(kind + 1, 2)]):
            continue
        if kind == 0 and len(node.args) == 1 and len(texts) == 1:
            yield None, str(texts[0])
        elif kind == 1 and len(texts) >= 2:
            yield None, (str(texts[0]), str(texts[1]))
        elif kind == 2 and len(texts) == 2:
            yield str(texts[0]), str(texts[1])


def _of_template(source: str) -> Iterator[Message]:
    source = re.sub(r"{%\s*comment\b.*?%}.*?{%\s*endcomment\s*%}|{#.*?#}", "", source, flags=re.S)
    for match in _TAG.finditer(source):
        context = _CONTEXT.search(match[2])
        yield (ast.literal_eval(context[1]) if context else None), ast.literal_eval(match[1])
    for match in _INLINE.finditer(source):
        yield None, ast.literal_eval(match[1])
    for match in _BLOCK.finditer(source):
        context = _CONTEXT.search(match[1])
        texts = [
            _VARIABLE.sub(r"%(\1)s", part.replace("%", "%%")) for part in _PLURAL.split(match[2])
        ]
        if "trimmed" in match[1].split():
            texts = [" ".join(line.strip() for line in text.strip().splitlines()) for text in texts]
        yield (
            ast.literal_eval(context[1]) if context else None,
            texts[0] if len(texts) == 1 else (texts[0], texts[1]),
        )


def read(language: str) -> Catalog:
    with (_LOCALE / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def in_step(old: Catalog, wanted: set[Message]) -> Catalog:
    """The same translations for the texts that there are now, in the order of the alphabet."""
    new = Catalog(locale=old.locale, project="voice-usage-billing", charset="utf-8", fuzzy=False)
    new.header_comment = f"# {old.locale} texts of voice-usage-billing."
    for context, text in sorted(wanted, key=lambda each: (str(each[1]), each[0] or "")):
        known = old.get(text if isinstance(text, str) else text[0], context)
        string = known.string if known is not None else None
        new.add(
            text,
            string or ("" if isinstance(text, str) else ("",) * new.num_plurals),
            context=context,
        )
    return new


def faults(language: str, wanted: set[Message]) -> Iterator[str]:
    catalogue = read(language)
    have = {(message.context, _id(message.id)) for message in catalogue if message.id}
    for context, text in sorted(wanted - have, key=str):
        yield f"{language}: not in the catalogue: {text!r} {context or ''}"
    for context, text in sorted(have - wanted, key=str):
        yield f"{language}: nothing says {text!r} {context or ''} any more"
    for message in catalogue:
        if not message.id:
            continue
        string, ids = message.string, _forms(message.id)
        texts = _forms(string) if string else [""]
        if message.fuzzy or not all(texts):
            yield f"{language}: not translated: {ids[0]!r}"
            continue
        wanted_marks = {mark for each in ids for mark in _PLACEHOLDER.findall(each)}
        for text in texts:
            marks = set(_PLACEHOLDER.findall(text))
            # One of a plural may leave out its number.
            if marks - wanted_marks or (len(ids) == 1 and marks != wanted_marks):
                yield f"{language}: placeholders of {ids[0]!r} are not those of {text!r}"
    if compiled(catalogue) != (_LOCALE / language / "LC_MESSAGES" / "django.mo").read_bytes():
        yield f"{language}: django.mo is not its django.po"


def compiled(catalogue: Catalog) -> bytes:
    # Its head has the time, which would make it another file each time.
    catalogue.creation_date = catalogue.revision_date = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def _forms(text: object) -> list[str]:
    """One text, or those of its plural."""
    return [str(each) for each in text] if isinstance(text, (list, tuple)) else [str(text)]


def _id(text: object) -> str | tuple[str, str]:
    return (str(text[0]), str(text[1])) if isinstance(text, (list, tuple)) else str(text)


def write(language: str, catalogue: Catalog) -> None:
    folder = _LOCALE / language / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    write_po(file, catalogue, width=100, omit_header=False, sort_output=False)
    # Its day and its tool's version would differ each time.
    kept = re.sub(
        rb'"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|'
        rb"Language-Team|Report-Msgid-Bugs-To)[^\n]*\n",
        b"",
        file.getvalue(),
    )
    (folder / "django.po").write_bytes(kept)
    (folder / "django.mo").write_bytes(compiled(read(language)))


def main() -> None:
    wanted = messages()
    if "--check" in sys.argv:
        wrong = [fault for language in LANGUAGES for fault in faults(language, wanted)]
        print(*(wrong or [f"{len(wanted)} texts in {len(LANGUAGES)} languages"]), sep="\n")
        sys.exit(1 if wrong else 0)
    for language in LANGUAGES:
        try:
            old = read(language)
        except FileNotFoundError:
            old = Catalog(locale=language)
        write(language, in_step(old, wanted))


if __name__ == "__main__":
    main()
