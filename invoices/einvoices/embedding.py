"""The XML of Factur-X inside of the PDF/A-3 that says the same.

Typst attaches the file; what it cannot write is the metadata by which software knows a Factur-X.
The metadata is set anew by an incremental update: the document's own bytes stay as they are, and
the same ones give the same file.
"""

import io
import re

from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject, StreamObject

FILE = "factur-x.xml"
_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_PROPERTIES = {
    "DocumentFileName": ("name of the embedded XML invoice file", FILE),
    "DocumentType": ("type of the hybrid document", "INVOICE"),
    "Version": ("version of the standard that the XML follows", "1.0"),
    "ConformanceLevel": ("conformance level of the XML", "EN 16931"),
}
_SCHEMA = (
    '<rdf:li rdf:parseType="Resource">'
    "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
    f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>"
    + "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        for name, (meaning, _) in _PROPERTIES.items()
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
)
_VALUES = (
    f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">'
    + "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (_, value) in _PROPERTIES.items())
    + "</rdf:Description>"
)
_SCHEMAS = "<pdfaExtension:schemas><rdf:Bag>"
_END = "</rdf:RDF>"
_TRAILER = re.compile(rb"trailer\s*<<(.*?)>>\s*startxref\s+(\d+)\s+%%EOF\s*\Z", re.DOTALL)


class NotArchivable(Exception):
    """The PDF has no metadata of PDF/A that Factur-X could stand in."""


def named_facturx(pdf: bytes) -> bytes:
    """The PDF, in which `factur-x.xml` is attached, with metadata that say so.

    Raises `NotArchivable`.
    """
    root = PdfReader(io.BytesIO(pdf)).trailer["/Root"].get_object()
    assert isinstance(root, DictionaryObject)
    reference = root.raw_get("/Metadata") if "/Metadata" in root else None
    trailer = _TRAILER.search(pdf)
    if not isinstance(reference, IndirectObject) or trailer is None:
        raise NotArchivable
    metadata = reference.get_object()
    assert isinstance(metadata, StreamObject)
    xmp = metadata.get_data().decode()
    if _SCHEMAS not in xmp or _END not in xmp:
        raise NotArchivable
    xmp = xmp.replace(_SCHEMAS, _SCHEMAS + _SCHEMA, 1).replace(_END, _VALUES + _END, 1)
    data = xmp.encode()
    number = reference.idnum
    update = bytearray(pdf if pdf.endswith(b"\n") else pdf + b"\n")
    at = len(update)
    update += b"%d 0 obj\n<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n" % (number, len(data))
    update += data + b"\nendstream\nendobj\n"
    table = len(update)
    update += b"xref\n%d 1\n%010d 00000 n\r\n" % (number, at)
    facts, before = trailer.groups()
    update += b"trailer\n<<%s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n" % (facts, before, table)
    return bytes(update)
