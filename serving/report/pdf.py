"""The report as PDF: the HTML in its print rules, on A4, by PlutoPrint (an extra; its wheels bring all they need).

It writes no tags for screen readers: for these the HTML is the accessible form. WeasyPrint writes PDF/UA, but needs
Pango from the system, takes seconds where PlutoPrint takes a fraction of one, and leaves charts without their styles.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from configs.errors import NotReady, SystemRefused

ITSELF = "http://report.invalid/"
"""The address that the report gives itself, so that its links lead to its own pages; nothing can have it (RFC 2606)."""
INSTALL = "a PDF needs PlutoPrint, which is not installed: pip install 'strainwatch[pdf]'."


def require_pdf() -> None:
    """Raise NotReady unless PDFs can be written here."""
    _plutoprint()


def render_pdf(html: str) -> bytes:
    """The HTML as it prints. Nothing is fetched: the HTML stands by itself, and any address in it is refused."""
    plutoprint = _plutoprint()
    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4, media=plutoprint.MEDIA_TYPE_PRINT)
    book.custom_resource_fetcher = _nothing(plutoprint)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.pdf"
        try:
            book.load_html(html, base_url=ITSELF)
            book.write_to_pdf(str(path))
        except plutoprint.Error as error:
            raise SystemRefused(f"the PDF could not be written: {error}. Choose another format.") from error
        return path.read_bytes()


def _plutoprint() -> Any:
    try:
        import plutoprint
    except ImportError as error:
        raise NotReady(INSTALL) from error
    return plutoprint


def _nothing(plutoprint: Any) -> Any:
    class Nothing(plutoprint.ResourceFetcher):  # type: ignore[misc]
        def fetch_url(self, url: str) -> Any:
            raise ValueError(f"{url}: a report needs nothing from elsewhere")

    return Nothing()
