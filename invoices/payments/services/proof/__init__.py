"""Proof of every cent: from usage records to payments, step by step."""

from invoices.payments.services.proof.certificate import Certificate, certify
from invoices.payments.services.proof.paper import certificate_filename, render_certificate
from invoices.payments.services.proof.report import (
    Proof,
    period_results,
    proof_as_json,
    prove,
)
from invoices.payments.services.proof.runs import last_run, prove_and_keep
from invoices.payments.services.proof.steps import STEPS, Step

__all__ = [
    "STEPS",
    "Certificate",
    "Proof",
    "Step",
    "certificate_filename",
    "certify",
    "last_run",
    "period_results",
    "proof_as_json",
    "prove",
    "prove_and_keep",
    "render_certificate",
]
