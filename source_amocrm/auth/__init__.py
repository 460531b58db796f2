"""Signs requests in to amoCRM: tokens, their renewal, and the hand-over of new ones."""

from source_amocrm.auth.bearer import SignIn
from source_amocrm.auth.handover import FileKeeper, HandOver, print_settings

__all__ = ["FileKeeper", "HandOver", "SignIn", "print_settings"]
