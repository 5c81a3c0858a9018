"""What every dialog of the admin begins with.

It opens over a page with a form of its own: with the same ids in both, a label of the dialog would
lead to a field behind it.
"""

from typing import Any

from unfold.forms import BaseDialogForm


class DialogForm(BaseDialogForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "dialog_%s")
        super().__init__(*args, **kwargs)
