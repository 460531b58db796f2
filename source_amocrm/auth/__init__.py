"""Who we are to amoCRM: tokens, and where they come from."""

from source_amocrm.auth.bearer import Authenticator, make_authenticator
from source_amocrm.auth.handover import FileKeeper, HandOver, print_settings

__all__ = ["Authenticator", "FileKeeper", "HandOver", "make_authenticator", "print_settings"]
