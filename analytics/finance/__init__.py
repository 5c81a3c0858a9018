"""What finance sees first: the running month, margins, what needs a person, the month end."""
