# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection to an API server: one pool for all threads, by the official Python client's configuration.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import json
import os
import pathlib
import typing as t
from urllib.parse import urlencode

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

WORKERS = 16
PATIENCE = 60.0  # seconds that a server which has answered before may be away, as in an upgrade
JSON, APPLY, MERGE = "application/json", "application/apply-patch+yaml", "application/merge-patch+json"
STRATEGIC, STEPS = "application/strategic-merge-patch+json", "application/json-patch+json"

OPTIONS: dict[str, t.Any] = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "request_timeout": {"type": "float", "default": 30},
}


class ApiError(ScalingError):
    """What the API server refused.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        document: the server's Status object.
    """

    def __init__(self, message: str, hint: str = "", status: int = 0, document: dict | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.document = document or {}

    @property
    def reason(self) -> str:
        return self.document.get("message") or str(self)


def connect(params: dict[str, t.Any]) -> Client:
    """A client as the options say: host and token, or a context of a kubeconfig, or the pod's own service account."""
    try:
        from kubernetes import client as api
        from kubernetes import config
    except ImportError as error:
        raise ScalingError(
            f"The Python package kubernetes cannot be imported ({error}).",
            "Install it for the Python that runs this module, usually the controller's.",
        ) from None
    settings = api.Configuration()
    if params.get("host"):
        settings.host = params["host"].rstrip("/")
    else:
        path = (
            params.get("kubeconfig") or os.environ.get("KUBECONFIG") or str(pathlib.Path("~/.kube/config").expanduser())
        )
        try:
            if not any(pathlib.Path(part).exists() for part in path.split(os.pathsep)) and in_cluster():
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(path, params.get("context"), settings, persist_config=False)
        except (config.ConfigException, OSError, ValueError) as error:
            raise ScalingError(
                f"The kubeconfig {path} cannot be used: {str(error).rstrip('.')}.",
                "Set kubeconfig (and context), the variable KUBECONFIG, or host and token.",
            ) from None
    if params.get("token"):
        settings.api_key = {"authorization": f"Bearer {params['token']}"}
    if params.get("ca_path"):
        settings.ssl_ca_cert = params["ca_path"]
    settings.connection_pool_maxsize = 2 * WORKERS
    manager = api.ApiClient(settings).rest_client.pool_manager

    def authorization() -> dict[str, str]:
        # Asked each time: tokens of an exec plugin or of a pod expire.
        return {each["key"]: each["value"] for each in settings.auth_settings().values() if each["in"] == "header"}

    return Client(manager, settings.host, authorization, params.get("request_timeout") or 30)


def in_cluster() -> bool:
    """Whether this process runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


class Client:
    """Requests to one API server; may be used by many threads.

    Args:
        manager: a urllib3.PoolManager, or what has its `request`.
        host: address of the API server, without a slash at its end.
        authorization: gives the headers that say who asks.
        timeout: seconds until an answer has to be there.
    """

    def __init__(self, manager: t.Any, host: str, authorization: t.Callable[[], dict], timeout: float) -> None:
        self._manager = manager
        self._authorization = authorization
        self._reached = False
        self.host = host
        self.timeout = timeout

    def request(
        self, method: str, path: str, query: dict | None = None, body: t.Any = None, content_type: str = JSON
    ) -> dict:
        """The answer as data. A server that is away for a moment, or that is busy, is asked again.

        Raises:
            ApiError: it refuses, or cannot be reached.
        """
        answer = self._patiently(method, path, query, None if body is None else json.dumps(body), content_type)
        return json.loads(answer.data) if answer.data else {}

    def text(self, path: str, query: dict | None = None) -> str:
        """The answer as text, such as a pod's log."""
        return self._patiently("GET", path, query, None, JSON).data.decode(errors="replace")

    def stream(self, path: str, query: dict, seconds: float) -> t.Any:
        """An open answer whose lines come as they are; the caller closes it."""
        answer = self._once("GET", path, query, None, content_type=JSON, seconds=seconds, preload=False)
        if answer.status >= 300:
            answer.read()
            raise refusal(answer.status, answer.data, "GET", path)
        return answer

    def _patiently(self, method: str, path: str, query: dict | None, body: str | None, content_type: str) -> t.Any:
        deadline = Deadline(PATIENCE)
        pause = 0.1
        while True:
            try:
                answer = self._once(method, path, query, body, content_type=content_type, seconds=self.timeout)
            except ApiError:
                if not self._reached or not deadline.remaining:
                    raise
                answer = None
            if answer is not None:
                self._reached = True
                if answer.status < 300:
                    return answer
                # An eviction is refused by 429 as well, and that is an answer.
                busy = answer.status in (502, 503, 504) or (answer.status == 429 and not path.endswith("/eviction"))
                if not busy or not deadline.remaining:
                    raise refusal(answer.status, answer.data, method, path)
            deadline.sleep(pause)
            pause = min(2.0, pause * 2)

    def _once(
        self,
        method: str,
        path: str,
        query: dict | None,
        body: str | None,
        *,
        content_type: str,
        seconds: float,
        preload: bool = True,
    ) -> t.Any:
        import urllib3

        headers = {"Accept": JSON, "User-Agent": "horizontal.scaling", **self._authorization()}
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            return self._manager.request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=preload,
                timeout=urllib3.Timeout(connect=min(10.0, seconds), read=seconds),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(
                f"The API server {self.host} does not answer: {_cause(error)}.",
                "Check its address, the network and the certificate authority.",
            ) from None


def _cause(error: BaseException) -> str:
    words = str(getattr(error, "reason", None) or error)
    return words.rpartition(">: ")[2].rstrip(".")


def refusal(status: int, data: bytes, method: str, path: str) -> ApiError:
    """The error that a refused request raises: the server's own words, and what to do."""
    try:
        document = json.loads(data)
    except ValueError:
        document = {"message": data.decode(errors="replace").strip()[:500]}
    if not isinstance(document, dict):
        document = {"message": str(document)}
    reason = str(document.get("message") or f"HTTP {status} for {method} {path}").rstrip(".")
    if status == 401:
        return ApiError(
            "The API server does not accept the credentials: they are wrong, or the token has expired.",
            "Renew them, and run this again.",
            status,
            document,
        )
    if status == 403 and " cannot " in reason:
        hint = "Give the user a role with this verb on this resource; `kubectl auth can-i --list` shows what it has."
        return ApiError(f"No permission: {reason}.", hint, status, document)
    return ApiError(f"The API server refuses it: {reason}.", "", status, document)
