"""Who we are to amoCRM: tokens, and where they come from."""

from source_amocrm.auth.bearer import SignIn
from source_amocrm.auth.handover import FileKeeper, HandOver, print_settings

__all__ = ["FileKeeper", "HandOver", "SignIn", "print_settings"]
