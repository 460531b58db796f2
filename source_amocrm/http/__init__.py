"""Every request to amoCRM: within the rate limit, signed, bounded, retried, and its answer classified."""

from source_amocrm.http.api import ACCOUNT_PATH, files_host_api, open_api
from source_amocrm.http.client import Answer, Api, Fetch, Params, query

__all__ = ["ACCOUNT_PATH", "Answer", "Api", "Fetch", "Params", "files_host_api", "open_api", "query"]
