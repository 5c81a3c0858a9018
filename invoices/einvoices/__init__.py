"""E-invoices: a frozen document in the forms that software reads (EN 16931).

parties    who sells and who buys, as of the day of issue, kept with the document
content    what the document says, as the terms of EN 16931 (pure)
writing    these terms as XML: CII for Factur-X, UBL for XRechnung and Peppol
reading    what such XML says in sum, for the proof
checking   the XML held against its schema and the official rules
mending    what a person changes so that a broken rule holds
embedding  the XML inside of the PDF/A-3 (Factur-X)
"""
