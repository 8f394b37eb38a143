"""What the adapters of Google's clients over REST share: a transport with an API key, and what their errors mean.

What is asked, and how an answer is read, is in each adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mpr_resources.cloud.providers import Usage, failures


class GoogleRest:
    """The way to one of Google's services.

    Raises:
        MissingEngine: its SDK is not installed.
    """

    def __init__(self, name: str, key: str, address: str) -> None:
        try:
            import requests
            from google.api_core import exceptions
            from google.auth import api_key
            from google.protobuf import json_format
        except ImportError as error:
            raise failures.no_sdk(name) from error
        self._errors: Any = exceptions
        self._http: Any = requests.exceptions
        self._auth: Any = api_key
        self._parse_error: Any = json_format.ParseError
        self._name = name
        self._key = key
        self._address = urlsplit(address)

    def transport(self, kind: Callable[..., Any]) -> Any:
        """The transport of a client, of its SDK's kind."""
        credentials = self._auth.Credentials(self._key)
        made = kind(host=self._address.netloc, url_scheme=self._address.scheme, credentials=credentials)
        made._session._refresh_status_codes = ()  # a key cannot be renewed: a request is sent once
        return made

    @contextmanager
    def asking(self, model: str, timeout_s: float, usage: Usage) -> Iterator[None]:
        """Around a request. `usage`: what an answer that cannot be read has cost.

        Raises:
            ProviderError: the request failed.
        """
        try:
            yield
        except (self._http.Timeout, self._errors.RetryError):
            raise failures.timed_out(self._name, timeout_s) from None
        except self._errors.GoogleAPICallError as error:
            answer = error.response
            headers = {} if answer is None else answer.headers
            said = {"message": error.message}
            raise failures.of_status(self._name, model, int(error.code or 500), headers, said, self._key) from None
        except (self._parse_error, self._http.JSONDecodeError):
            raise failures.unreadable(self._name, usage) from None
        except (self._http.RequestException, ConnectionError):
            raise failures.cut_off(self._name) from None
        except (self._errors.GoogleAPIError, ValueError, TypeError):
            raise failures.unreadable(self._name, usage) from None
