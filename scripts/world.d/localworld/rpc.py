"""A thin JSON-RPC client over one kept connection to a loopback node."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from localworld.errors import WorldError

TIMEOUT = 60


class RpcFault(WorldError):
    """The node answered with an error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})", fix="read anvil.log in the world's folder")
        self.code = code
        self.message = message


class Rpc:
    """One connection; not for use by several threads."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT)
        self._next_id = 0

    def request(self, method: str, *parameters: Any) -> Any:
        """Send one request and return its result.

        Raises:
            RpcFault: the node refused it.
        """
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(parameters)}
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request("POST", "/", json.dumps(body), headers)
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as broken:
            self._connection.close()
            fix = "start the world again with `scripts/world up`"
            raise WorldError(f"the node at {self.url} does not answer: {broken}", fix=fix) from broken
        if "error" in answer:
            raise RpcFault(method, answer["error"].get("code", 0), answer["error"].get("message", ""))
        return answer["result"]

    def close(self) -> None:
        self._connection.close()
