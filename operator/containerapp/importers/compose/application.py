"""A Compose project as apps: one for each service, but one Pod for services that share a network.

Called by the command line. A service that others wait for to end is a ContainerJob; one in a profile that was not asked
for is left out, and listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from containerapp.importers.compose.deploying import deploying
from containerapp.importers.compose.networking import networking, top_networks
from containerapp.importers.compose.parts import Model, Part
from containerapp.importers.compose.process import process
from containerapp.importers.compose.project import Project
from containerapp.importers.compose.reasons import give_up
from containerapp.importers.compose.resources import resources
from containerapp.importers.compose.security import security
from containerapp.importers.compose.storage import storage
from containerapp.importers.manifest import Draft, Manifest, imported
from containerapp.importers.naming import container_name, object_name, unique
from containerapp.importers.source import Imported, Refusal, Source, source
from containerapp.importers.wishes import Wishes

_ENDS = "service_completed_successfully"
_JOB_MODES = {"replicated-job", "global-job"}


def from_compose(
    project: Project,
    wishes: Wishes,
    *,
    profiles: Collection[str] = (),
    jobs: Collection[str] = (),
    sidecars: Mapping[str, str] | None = None,
) -> Imported:
    """Return what a project becomes; `jobs` are services that run to their end, `sidecars` those that join another one.

    Raises `Refusal` where a service is named that is not there. An image that Compose builds, and that is not wished,
    is a placeholder.
    """
    root = source(project.tree)
    services = dict(_chosen(root, profiles))
    joined = sidecars or {}
    _check_names(services, [*wishes.images, *jobs, *joined, *joined.values()])
    hosts = _hosts(services, joined)
    names = _names(services, hosts)
    ending = {*jobs, *_waited_for(services), *(name for name in services if _is_job(services[name]))}
    model = Model(
        root=root,
        project=project,
        names=names,
        owners=_owners(services, hosts, names),
        wishes=wishes,
        jobs=frozenset(ending - hosts.keys()),
        alone=_without_image(services),
    )
    drafts = [_draft(model, services[name], name) for name in services if name not in hosts]
    for name, host in hosts.items():
        _join(model, services[name], name, next(draft for draft in drafts if draft.name == names[host]))
    _top(model)
    return imported([root], drafts, _others(model, wishes.namespace))


def _chosen(root: Source, profiles: Collection[str]) -> Iterator[tuple[str, Source]]:
    for name, service in root.at("services").entries():
        wanted = set(service.at("profiles").texts())
        if not isinstance(service.value, dict):
            service.lose("it is no service: write a map with an image")
        elif wanted and not wanted & {*profiles, *(wanted if "*" in profiles else ())}:
            service.lose(
                f"it runs in the profile {' or '.join(sorted(wanted))} alone: --profile {min(wanted)}"
            )
        else:
            yield name, service


def _hosts(services: Mapping[str, Source], joined: Mapping[str, str]) -> dict[str, str]:
    """Return the services that run in another one's network, or are to, and whose."""
    found = {name: host for name, host in joined.items() if name != host}
    for name, service in services.items():
        kind, _, host = str(service.at("network_mode").value or "").partition(":")
        if kind == "service" and host in services and host != name:
            found[name] = host
    return {name: host for name, host in found.items() if host not in found}


def _names(services: Mapping[str, Source], hosts: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}
    legal = {name for name in services if name not in hosts and object_name(name) == name}
    for name, service in services.items():
        if name not in hosts:
            names[name] = unique(object_name(name), {*names.values(), *(legal - {name})})
            if names[name] != name:
                service.note(
                    f"called {names[name]}, as Kubernetes takes no other name: correct the addresses of callers"
                )
    return names | {name: names[host] for name, host in hosts.items()}


def _owners(
    services: Mapping[str, Source], hosts: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, str]:
    """Return whose the claim of a volume is that several apps mount: the first one's."""
    users: dict[str, list[str]] = {}
    for name, service in services.items():
        for item in service.at("volumes").items():
            kind, volume = item.at("type").value, item.at("source").value
            app = names[hosts.get(name, name)]
            if kind == "volume" and volume and app not in users.setdefault(str(volume), []):
                users[str(volume)].append(app)
    return {volume: apps[0] for volume, apps in users.items() if len(apps) > 1}


def _without_image(services: Mapping[str, Source]) -> str:
    """Return the only service whose image Compose builds; empty where there is none, or several."""
    without = [name for name, service in services.items() if not service.at("image")]
    return without[0] if len(without) == 1 else ""


def _check_names(services: Mapping[str, Source], given: Collection[str]) -> None:
    unknown = sorted(set(given) - services.keys())
    if unknown:
        raise Refusal(f"There is no service {unknown[0]}: the services are {', '.join(services)}.")


def _waited_for(services: Mapping[str, Source]) -> set[str]:
    """Return the services that another one waits for to end."""
    return {
        name
        for service in services.values()
        for name, wait in service.at("depends_on").entries()
        if wait.at("condition").value == _ENDS
    }


def _is_job(service: Source) -> bool:
    return str(service.at("deploy").at("mode").value) in _JOB_MODES


def _draft(model: Model, service: Source, name: str) -> Draft:
    is_job = name in model.jobs
    kind: Literal["ContainerApp", "ContainerJob"] = "ContainerJob" if is_job else "ContainerApp"
    draft = Draft(name=model.names[name], kind=kind, namespace=model.wishes.namespace)
    part = Part(model=model, service=service, name=name, draft=draft, fields=draft.spec)
    _container(part)
    deploying(part)
    part.put("shareProcessNamespace", service.at("init").flag() or None)
    _annotations(part)
    if is_job:
        service.at("deploy").at("mode").take()
        service.note("runs to its end, once and with each change: a ContainerJob")
        _of_a_job(part)
    return draft


def _container(part: Part) -> None:
    """Carry what every container has."""
    networking(part)
    process(part)
    resources(part)
    storage(part)
    security(part)
    give_up(part.service)
    _order(part)


def _order(part: Part) -> None:
    """A job runs after another one; apps start independently of what they need."""
    first = []
    for name, wait in part.service.at("depends_on").entries():
        if (
            part.is_job
            and not part.sidecar
            and name in part.model.jobs
            and wait.at("condition").value == _ENDS
        ):
            wait.take()
            first.append({"job": part.model.names[name]})
        else:
            wait.lose(
                f"apps start independently: let the program try again until {name} answers, or wait in an init"
                " container"
            )
    part.put("dependsOn", first)


def _annotations(part: Part) -> None:
    found = {}
    for key, value in part.service.at("annotations").entries():
        if "/" in key or "." not in key:
            found[key] = value.text()
        else:
            value.lose(
                "a key of Kubernetes has a domain and a '/': write it to podAnnotations under another key"
            )
    part.put("podAnnotations", found)


def _of_a_job(part: Part) -> None:
    deploy = part.service.at("deploy")
    for key in ("replicas", "update_config", "rollback_config", "endpoint_mode"):
        deploy.at(key).lose("a job runs one Pod, or as many as array.size says")
    part.service.at("scale").lose("a job runs one Pod, or as many as array.size says")


def _join(model: Model, service: Source, name: str, draft: Draft) -> None:
    """Make a service a container beside the one whose network it shares."""
    taken = {each["name"] for each in draft.spec.get("sidecars", [])}
    called = container_name(name, taken)
    part = Part(model=model, service=service, name=name, draft=draft, fields={"name": called}, sidecar=called)
    _container(part)
    draft.put("sidecars", [*draft.spec.get("sidecars", []), dict(part.fields)])
    service.note(
        f"runs in the Pod of {draft.name}, as its sidecar {called}: they share a network, and end together"
    )
    for key in ("restart", "profiles"):
        service.at(key).take()
    for key in ("deploy", "stop_grace_period", "stop_signal", "annotations", "init", "scale", "extra_hosts"):
        _give_up_rest(service.at(key))
    for key in ("dns", "dns_search", "dns_opt", "group_add", "sysctls"):
        _give_up_rest(service.at(key))


def _give_up_rest(value: Source) -> None:
    """Give up what no other step has taken."""
    if isinstance(value.value, (dict, list)):
        inner = [entry for _, entry in value.entries()] or list(value.items())
        for each in inner if value else ():
            _give_up_rest(each)
    elif value.path not in value.ledger.carried:
        value.lose("it holds for the Pod: write it to the service whose network this one shares")


def _top(model: Model) -> None:
    """Settle what stands beside the services."""
    root = model.root
    for key in ("version", "name"):
        root.at(key).take()  # Compose ignores the one; the other names what a namespace is here
    top_networks(model)
    if not all(service.at("user") for _, service in root.at("services").entries()):
        root.at("services").note(
            "an image that runs as root, as many do, is refused: build it with a USER that is a number, or write"
            " security with runAsNonRoot: false"
        )
    for name, volume in root.at("volumes").entries():
        _top_volume(name, volume)
    for section in ("configs", "secrets"):
        for _, entry in root.at(section).entries():
            for key in ("labels", "driver", "driver_opts", "template_driver"):
                entry.at(key).lose(
                    "of Swarm alone: keep the values in AWS Secrets Manager, and name them in `secrets`"
                )
            entry.take()
    root.at("models").lose("run a model as an app, and name its address in env")
    for key, value in root.entries():
        if key.startswith("x-"):
            value.take()  # what anchors lead to stands where they are used


def _top_volume(name: str, volume: Source) -> None:
    for key in ("name", "external"):
        volume.at(key).take()
    for key in ("labels", "driver", "driver_opts"):
        if volume.at(key).value == "local":
            volume.at(key).take()
        else:
            volume.at(key).lose(
                f"{name} is a claim, which its StorageClass makes: volumes, claim.storageClass"
            )


def _others(model: Model, namespace: str | None) -> list[Manifest]:
    place: dict[str, Any] = {"namespace": namespace} if namespace else {}
    return [manifest | {"metadata": {**manifest["metadata"], **place}} for manifest in model.written.values()]
