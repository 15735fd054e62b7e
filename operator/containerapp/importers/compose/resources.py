"""CPU, memory and devices of a service, from its own fields and from those of `deploy`."""

from __future__ import annotations

from containerapp.api.schema.quantity import quantity as parsed
from containerapp.importers import units
from containerapp.importers.compose.parts import Part
from containerapp.importers.manifest import cpu
from containerapp.importers.source import Source

_GPU = "nvidia.com/gpu"
_MOST = 10**9
Amounts = dict[str, str]


def resources(part: Part) -> None:
    """Carry what the container is promised, and what it may use at most; `deploy` wins."""
    given = part.service.at("deploy").at("resources")
    limits = _limits(part.service) | _amounts(given.at("limits"))
    requests = _requests(part.service) | _amounts(given.at("reservations"))
    gpus = _gpus(part.service.at("gpus")) or _devices(given.at("reservations").at("devices"))
    limits |= {_GPU: str(gpus)} if gpus else {}
    for name, amount in requests.items():
        if name in limits and parsed(limits[name]) < parsed(amount):
            requests[name] = limits[name]
    given.at("limits").at("pids").lose(
        "the number of processes is the kubelet's to limit: podPidsLimit of the node"
    )
    given.at("reservations").at("generic_resources").lose(
        "name the device in resources.limits, as its plugin does"
    )
    found = {"requests": requests, "limits": limits}
    part.put("resources", {name: amounts for name, amounts in found.items() if amounts})


def _limits(service: Source) -> Amounts:
    limits = _amount("cpu", service.at("cpus")) | _amount("memory", service.at("mem_limit"))
    quota, period = service.at("cpu_quota").number(), service.at("cpu_period").number(100_000)
    if quota > 0 and period > 0 and "cpu" not in limits:
        limits["cpu"] = cpu(1000 * min(quota, _MOST) / period)
    return limits


def _requests(service: Source) -> Amounts:
    requests = _amount("memory", service.at("mem_reservation"))
    shares = service.at("cpu_shares").number()
    return requests | ({"cpu": cpu(1000 * min(shares, _MOST) / 1024)} if shares > 0 else {})


def _amounts(source: Source) -> Amounts:
    return _amount("cpu", source.at("cpus")) | _amount("memory", source.at("memory"))


def _amount(name: str, source: Source) -> Amounts:
    """Return the amount of a resource; none for 0, which is Compose's word for no limit."""
    text = str(source.value)
    if not source:
        return {}
    amount = _memory(text) if name == "memory" else _cores(text)
    if amount is None:
        source.lose("it is no amount: write resources as in cpu: 500m and memory: 256Mi")
        return {}
    source.take()
    return {name: amount} if amount else {}


def _memory(text: str) -> str | None:
    size = units.memory(text)
    return None if size is None else units.quantity(size) if size else ""


def _cores(text: str) -> str | None:
    try:
        cores = float(text)
    except ValueError:
        return None
    return cpu(max(1.0, 1000 * min(cores, 10_000.0))) if cores > 0 else ""


def _gpus(source: Source) -> int:
    """Return how many GPUs a service asks for."""
    if source.value == "all":
        source.lose(f"say how many: resources.limits with {_GPU}: 1")
        return 0
    return sum(_gpu(item) for item in source.items())


def _devices(source: Source) -> int:
    return sum(_gpu(item) for item in source.items())


def _gpu(item: Source) -> int:
    wanted, count = item.at("capabilities"), item.at("count")
    is_gpu = not wanted or "gpu" in wanted.texts()
    if not is_gpu or not units.is_number(str(count.value or 1)):
        item.lose(f"say which device and how many in resources.limits, as in {_GPU}: 1")
        return 0
    wanted.take()
    if item.at("driver").value == "nvidia":
        item.at("driver").take()
    return count.number(len(item.at("device_ids").texts()) or 1)
