# /// script
# requires-python = ">=3.11"
# dependencies = ["mitmproxy>=11"]
# ///
"""The network between the operator and the API server, and what goes wrong in it: mitmproxy with an addon of ours.

Run by `network` as a process with an environment of its own (see proxy.py.lock). Each replica has a port, so that the
journal can tell who wrote what, and when. Everything passes unchanged until `POST /chaos` orders trouble; what has been
made up here is marked in the journal, so that nobody takes it for the API server's word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from mitmproxy import ctx
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.options import Options
from mitmproxy.tools.dump import DumpMaster

_FATES = ("429", "500", "503", "slow", "slow answer", "lost answer")
_JSON = {"Content-Type": "application/json"}
_GONE = b'"code":410'


class Network:
    """The addon. `journal` gets a line for each request when it is over, and one for each 410 within a watch."""

    def __init__(self, journal: Path, seed: int) -> None:
        self._journal = journal.open("a", buffering=1)
        self._random = Random(seed)  # noqa: S311 - replayable
        self._holder = ""
        self._watching: dict[str, HTTPFlow] = {}
        self._expiring: set[tuple[int, str]] = set()
        self._trouble: dict[str, Any] = {"until": 0.0, "share": 0.0, "longest": 0.0}

    async def request(self, flow: HTTPFlow) -> None:
        """Let the request pass, or decide what becomes of it."""
        if flow.request.path == "/chaos":
            flow.response = Response.make(200, json.dumps(self._obey(flow)), _JSON)
            return
        if not _is_watch(flow):
            self._expiring.discard(_target(flow))  # whoever has listed anew may watch
        elif _target(flow) in self._expiring:
            flow.metadata["fate"] = "410"
            flow.response = self._expired()
            return
        if time.time() < self._trouble["until"] and self._random.random() < self._trouble["share"]:
            await self._befall(flow, self._random.choice(_FATES))

    async def _befall(self, flow: HTTPFlow, fate: str) -> None:
        flow.metadata["fate"] = fate
        if fate == "slow":
            await asyncio.sleep(self._random.uniform(0.1, self._trouble["longest"]))
        elif fate.isdigit():
            code = int(fate)
            headers = _JSON | ({"Retry-After": "1"} if code == 429 else {})
            flow.response = Response.make(code, _status(code, "made up by the chaos run"), headers)

    def responseheaders(self, flow: HTTPFlow) -> None:
        """Hand a watch's events on as they come."""
        if flow.response and _is_watch(flow):
            self._watching[flow.id] = flow
            flow.response.stream = self._reading(flow)

    async def response(self, flow: HTTPFlow) -> None:
        """Note how the request went; a slow answer is older than what is seen before it."""
        if flow.metadata.get("fate") == "slow answer" and not _is_watch(flow):
            await asyncio.sleep(self._random.uniform(0.1, self._trouble["longest"]))
        self._watching.pop(flow.id, None)
        if flow.request.path == "/chaos":
            return
        code = flow.response.status_code if flow.response else 0
        if flow.metadata.get("fate") == "lost answer" and not _is_watch(flow):
            flow.kill()
        self._note(flow, code)

    def error(self, flow: HTTPFlow) -> None:
        """Note a request that had no answer, or a watch that was cut."""
        self._watching.pop(flow.id, None)
        self._note(flow, 0)

    def _note(self, flow: HTTPFlow, code: int, **more: object) -> None:
        path = flow.request.path.partition("?")[0]
        line = {
            "port": flow.client_conn.sockname[1],
            "began": flow.request.timestamp_start,
            "ended": time.time(),
            "method": "WATCH" if _is_watch(flow) else flow.request.method,
            "path": path,
            "code": code,
            "fate": flow.metadata.get("fate"),
            **more,
        }
        if "/leases" in path and flow.request.method in {"PUT", "POST"}:
            spec = json.loads(flow.request.get_text() or "{}").get("spec") or {}
            line["holder"] = spec.get("holderIdentity") or ""
            self._holder = line["holder"] if 200 <= code < 300 else self._holder
        self._journal.write(json.dumps(line) + "\n")

    def _reading(self, flow: HTTPFlow) -> Callable[[bytes], bytes]:
        def read(chunk: bytes) -> bytes:
            if _GONE in chunk and b'"type":"ERROR"' in chunk:
                self._note(flow, 410)
            return chunk

        return read

    def _obey(self, flow: HTTPFlow) -> dict[str, Any]:
        order, watches = json.loads(flow.request.get_text() or "{}"), len(self._watching)
        match order.get("do"):
            case "trouble":
                self._trouble = {**order, "until": time.time() + order["seconds"]}
            case "peace":
                self._trouble["until"] = 0.0
            case "expire":
                self._expiring |= {_target(watch) for watch in self._watching.values()}
                self._cut()
            case "cut":
                self._cut()
            case _:  # a mere question
                pass
        return {"watches": watches, "holder": self._holder}

    def _cut(self) -> None:
        """Break the connection of every watch, as a load balancer that is replaced does."""
        connections = ctx.master.addons.get("proxyserver").connections
        for watch in self._watching.values():
            handler = connections.get(watch.client_conn.id)
            if handler is not None:
                handler.transports[watch.client_conn].writer.transport.abort()

    def _expired(self) -> Response:
        """Say 410 in one of the two ways in which the API server says it."""
        status = _status(410, "too old resource version: made up by the chaos run")
        if self._random.random() < 0.5:
            return Response.make(410, status, _JSON)
        return Response.make(200, f'{{"type":"ERROR","object":{status}}}\n', _JSON)


def _is_watch(flow: HTTPFlow) -> bool:
    return "watch" in flow.request.query


def _target(flow: HTTPFlow) -> tuple[int, str]:
    """Tell one replica's watch of one kind from all others, whichever connection it is made by."""
    return flow.client_conn.sockname[1], flow.request.path.partition("?")[0]


def _status(code: int, message: str) -> str:
    reason = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}[code]
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return json.dumps(body | {"reason": reason, "code": code}, separators=(",", ":"))


async def _serve(arguments: argparse.Namespace) -> None:
    address = arguments.address
    modes = [f"reverse:{arguments.server}@{address}:{port}" for port in arguments.ports]
    master = DumpMaster(Options(mode=modes), with_termlog=True, with_dumper=False)
    # Only what is set once the addons are there reaches them before the ports are open.
    master.options.update(
        certs=[f"*={arguments.certificate}"],
        confdir=str(arguments.directory),
        connection_strategy="lazy",
        http2=False,
        ssl_verify_upstream_trusted_ca=str(arguments.authority),
        termlog_verbosity="warn",
        upstream_cert=False,
    )
    master.addons.add(Network(arguments.directory / "journal.jsonl", arguments.seed))
    await master.run()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the API server's URL")
    parser.add_argument("--address", required=True, help="to listen on")
    parser.add_argument("--ports", type=int, nargs="+", required=True, help="one for each client")
    parser.add_argument("--certificate", type=Path, required=True, help="with its key, in one file")
    parser.add_argument(
        "--authority", type=Path, required=True, help="whose word is taken for the API server's"
    )
    parser.add_argument("--directory", type=Path, required=True, help="for the journal")
    parser.add_argument("--seed", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
