"""How a run judges the operator's process, without a cluster: its log, its end, and the end of the run itself."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.run import bugs
from tests.controller.operators import Identity, Operator

_KOPF = "/venv/lib/python3.11/site-packages/kopf/_core/reactor"


def _logged(logger: str, *files: str) -> str:
    """Return the line of an error whose traceback leads through these files."""
    frames = "".join(f'  File "{file}", line 7, in work\n' for file in files)
    traceback = f"Traceback (most recent call last):\n{frames}KeyError: 'metadata'"
    return json.dumps({"level": "ERROR", "logger": logger, "message": "failed", "exc_info": traceback}) + "\n"


def test_an_error_in_our_own_code_is_a_bug_though_kopf_tells_of_it(tmp_path: Path) -> None:
    """Kopf logs what a handler raises, and goes on; what it cannot bear itself is no bug of ours."""
    identity = Identity(service_account="o", namespace="ops", kubeconfig=tmp_path / "none", environment={})
    operator = Operator(identity=identity, directory=tmp_path)
    kopfs = _logged(
        "kopf.reactor.running", f"{_KOPF}/running.py", "/work/containerapp/.venv/lib/aiohttp/a.py"
    )
    ours = _logged("kopf.objects", f"{_KOPF}/execution.py", "/work/operator/containerapp/appwatch.py")
    operator.log_file.write_text(kopfs + ours)
    (found,) = bugs(operator)
    assert found.found == ours.strip()
