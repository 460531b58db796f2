"""Every request to amoCRM: paced, signed, bounded, repeated, and understood."""

from source_amocrm.http.api import ACCOUNT_PATH, files_host_api, open_api
from source_amocrm.http.client import Answer, Api, Fetch, Params

__all__ = ["ACCOUNT_PATH", "Answer", "Api", "Fetch", "Params", "files_host_api", "open_api"]
