"""The finance pages: the running month, margins, what needs a person, the month end."""
