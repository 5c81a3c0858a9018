"""What a PDF says."""

import io

from pypdf import PdfReader


def words_of(pdf: bytes) -> str:
    """The text of all pages, with runs of space made one."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())
