"""Who we are to amoCRM: tokens, and where they come from."""

from source_amocrm.auth.bearer import LongLivedTokenAuthenticator, SignIn
from source_amocrm.auth.handover import FileKeeper, HandOver, print_settings
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator

__all__ = [
    "AmocrmOAuth2Authenticator",
    "FileKeeper",
    "HandOver",
    "LongLivedTokenAuthenticator",
    "SignIn",
    "print_settings",
]
