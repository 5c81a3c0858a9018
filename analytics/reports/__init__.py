"""Finance's reports: one registry, from which pages, files, documentation and tests follow.

A report is an entry of `REPORTS`: its columns, a function that gives its rows, and in words how
these are computed. Reports read rollups and documents, never the usage records.
"""

from analytics.reports.collected import COLLECTED
from analytics.reports.credited import CREDITED
from analytics.reports.definition import Basis, Report, ReportRequest
from analytics.reports.margins import MARGINS
from analytics.reports.receivables import RECEIVABLES
from analytics.reports.recurring import RECURRING
from analytics.reports.revenue import REVENUE
from analytics.reports.taxes import TAXES
from analytics.reports.unbilled import UNBILLED

REPORTS: dict[str, Report] = {
    report.key: report
    for report in (
        *REVENUE,
        *MARGINS,
        *RECEIVABLES,
        *COLLECTED,
        *RECURRING,
        *UNBILLED,
        *CREDITED,
        *TAXES,
    )
}

__all__ = ["REPORTS", "Basis", "Report", "ReportRequest"]
