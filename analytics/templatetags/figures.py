"""Charts, breakdowns and figures in a row (`analytics.figure_html`)."""

from django import template

from analytics.figure_html import breakdown_html, chart_html, stats_html

register = template.Library()
register.simple_tag(chart_html, name="chart")
register.simple_tag(breakdown_html, name="breakdown")
register.simple_tag(stats_html, name="stats")
