"""Signals that later apps follow without billing knowing them.

Sent inside the transaction that makes the change, with `workspace_id` (UUID) and `now`, unless said
otherwise.
"""

from django.dispatch import Signal

# Status, limit or current period changed: what the workspace may do may differ now. A receiver may
# return a sentence about what it did, for whoever made the change.
admission_changed = Signal()
# Name, e-mail, address or tax id changed: copies kept elsewhere are out of date.
billing_details_changed = Signal()
# A workspace is about to be collected by another Stripe account, with `before` and `after`, and its
# card must not stay behind: a receiver refuses by raising.
account_changes = Signal()
# What prices of the whole period add to the list prices of running periods, asked outside of any
# change with `period_ids`. A receiver answers amounts by the period's id.
adjustments_asked = Signal()
# A password took another's place, by whatever channel; with `user`. A first password is no change.
password_changed = Signal()
