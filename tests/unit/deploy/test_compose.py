"""The Compose file: what Compose would refuse, and whether its parts find each other."""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from agent.knowledge.documents import MAX_BYTES
from agent.settings import PROJECT_ROOT
from agent.stages.choice import choose
from deploy.compose import VariableMissing, composed, published, substitute
from deploy.dockerfile import parse_dockerfile
from launch.plan import DRAIN_MARGIN_S, Embedded, make_plan
from launch.settings import LaunchSettings
from launch.supervisord import render

SECRET = "a-secret-of-more-than-32-characters"
LOOPBACK: dict[str, str] = {}
EVERYWHERE = "0.0.0.0"  # noqa: S104
PUBLIC = {
    "PUBLISH_ADDRESS": EVERYWHERE,
    "LIVEKIT_NODE_IP": "203.0.113.7",
    "LIVEKIT_PUBLIC_URL": "wss://rooms.example",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": SECRET,
    "PORT": "9000",
    "FRONTEND_PORT": "9001",
    "KNOWLEDGE_DIR": "/srv/documents",
}
LIVEKIT_VERSION = "1.13.5"
LIVEKIT_KNOWS = {
    # `Config`, pkg/config/config.go of that version; the server refuses any other key
    "": "port bind_addresses prometheus_port prometheus debug_handler rtc redis audio video room"
    " turn ingress sip webhook node_selector key_file keys region signal_relay psrpc log_level"
    " logging limit agents development metric trace node_stats enable_data_tracks"
    " enable_participant_data_blob api",
    # `RTCConfig` there, and what it takes in of livekit/mediatransportutil, pkg/rtcconfig/config.go
    "rtc": "udp_port tcp_port port_range_start port_range_end use_stun_port_as_ice node_ip"
    " stun_servers use_external_ip use_ice_lite interfaces ips enable_loopback_candidate use_mdns"
    " external_ip_only batch_io force_tcp turn_servers packet_buffer_size congestion_control"
    " allow_tcp_fallback tcp_fallback_rtt_threshold allow_udp_unstable_fallback",
    # `WebHookConfig`, livekit/protocol, webhook/notifier.go
    "webhook": "urls api_key url_notifier resource_url_notifier filter_params",
}


@cache
def schema() -> Draft202012Validator:
    """What the Compose Specification accepts, as check-jsonschema carries it."""
    text = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return Draft202012Validator(json.loads(text.read_text(encoding="utf-8")))


def livekit_configuration(made: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load(made["services"]["livekit"]["environment"]["LIVEKIT_CONFIG"]))


def settings_of(made: dict[str, Any]) -> LaunchSettings:
    environment = made["services"]["orchestrator"]["environment"]
    assert environment.pop("FORWARDED_ALLOW_IPS") == "*"  # uvicorn's own
    given = {name.lower(): value for name, value in environment.items() if value != ""}
    assert {name.lower() for name in environment} <= LaunchSettings.model_fields.keys()
    return LaunchSettings.model_validate(given)


@pytest.mark.parametrize("variables", [LOOPBACK, PUBLIC], ids=["without settings", "all set"])
def test_compose_accepts_it(variables: dict[str, str]) -> None:
    """Catches a key that Compose does not know, and a value of another type than it takes."""
    assert [error.message for error in schema().iter_errors(composed(variables))] == []


def test_compose_would_refuse_others() -> None:
    """Catches a schema that accepts everything."""
    made = composed(LOOPBACK)
    made["services"]["livekit"]["port"] = ["7880:7880"]
    made["services"]["redis"]["healthcheck"]["retries"] = [10]
    refused = " ".join(error.message for error in schema().iter_errors(made))
    assert "'port' was unexpected" in refused
    assert "[10] is not of type" in refused


def test_without_settings_nobody_else_comes_in() -> None:
    """Catches a port that the whole network reaches, by a secret that everybody knows."""
    services = composed(LOOPBACK)["services"]
    addresses = {a for s in services.values() for a, _ in published(s).values()}
    assert addresses == {"127.0.0.1"}
    assert "ports" not in services["redis"]


def test_whoever_lets_others_in_needs_a_secret() -> None:
    """Catches a LiveKit in the open whose secret is the one in the file."""
    with pytest.raises(VariableMissing, match="LIVEKIT_API_SECRET"):
        composed({"PUBLISH_ADDRESS": EVERYWHERE})
    services = composed(PUBLIC)["services"]
    assert {a for a, _ in published(services["orchestrator"]).values()} == {EVERYWHERE}


def test_every_image_is_one_that_is_built_or_pinned() -> None:
    """Catches a build of a stage that is not there, and an image that changes by itself."""
    stages = parse_dockerfile((PROJECT_ROOT / "Dockerfile.orchestrator-python").read_text())
    for name, service in composed(LOOPBACK)["services"].items():
        if "build" in service:
            assert service["build"]["dockerfile"] == "Dockerfile.orchestrator-python"
            assert service["build"]["target"] in {stage.name for stage in stages}, name
        else:
            _, _, tag = service["image"].partition(":")
            assert re.match(r"v?\d+\.\d+", tag), name


def test_livekit_understands_its_configuration() -> None:
    """Catches a key that it does not know, which ends it at its start."""
    made = composed(PUBLIC)
    assert made["services"]["livekit"]["image"].endswith(f":v{LIVEKIT_VERSION}")
    configuration = livekit_configuration(made)
    for section, known in LIVEKIT_KNOWS.items():
        given = configuration[section] if section else configuration
        assert given.keys() <= set(known.split()), section
    assert {k for k, v in configuration.items() if isinstance(v, dict)} <= LIVEKIT_KNOWS.keys()
    rtc = configuration["rtc"]
    assert (configuration["port"], rtc["tcp_port"], rtc["udp_port"]) == (7880, 7881, 7882)
    assert rtc["use_external_ip"] is False


@pytest.mark.parametrize(
    ("variables", "told"),
    [(LOOPBACK, {"enable_loopback_candidate": True}), (PUBLIC, {"node_ip": "203.0.113.7"})],
    ids=["here", "elsewhere"],
)
def test_media_reach_livekit(variables: dict[str, str], told: dict[str, object]) -> None:
    """Catches media ports that are told to clients and that nothing is published at.

    Without `node_ip` it tells its container's own address and loopback's, with it that one alone:
    then both of its sockets would be told as the same address, and one of them is left out.
    """
    made = composed(variables)
    rtc = livekit_configuration(made)["rtc"]
    addresses = {"node_ip", "enable_loopback_candidate"}
    assert {key: value for key, value in rtc.items() if key in addresses} == told
    ports = published(made["services"]["livekit"])
    assert ports[f"{rtc['udp_port']}/udp"][1] == rtc["udp_port"]
    assert ports[str(rtc["tcp_port"])][1] == rtc["tcp_port"]


@pytest.mark.parametrize("variables", [LOOPBACK, PUBLIC], ids=["without settings", "all set"])
def test_the_parts_find_each_other(variables: dict[str, str]) -> None:
    """Catches a URL with the wrong host, port or key."""
    made = composed(variables)
    services = made["services"]
    settings = settings_of(made)
    livekit = livekit_configuration(made)
    assert not settings.redis_is_embedded
    assert not settings.rooms_are_embedded
    assert urlsplit(settings.redis_url.get_secret_value()).hostname in services
    signalling = urlsplit(settings.livekit_url)
    assert (signalling.hostname, signalling.port) == ("livekit", livekit["port"])
    [hook] = livekit["webhook"]["urls"]
    assert urlsplit(hook).hostname in services
    assert hook == f"http://orchestrator:{settings.port}/api/livekit/webhook"
    key, secret = settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    assert yaml.safe_load(services["livekit"]["environment"]["LIVEKIT_KEYS"]) == {key: secret}
    assert livekit["webhook"]["api_key"] == key
    assert len(secret) >= 32, "LiveKit complains of shorter ones"
    page = (PROJECT_ROOT / "deploy/nginx.conf").read_text()
    assert f"proxy_pass http://orchestrator:{settings.port};" in page
    assert set(re.findall(r"listen (\d+);", page)) == published(services["frontend"]).keys()
    [limit] = re.findall(r"client_max_body_size (\d+)m;", page)
    assert int(limit) << 20 > MAX_BYTES, "of an uploaded document"
    targets = {volume["target"] for volume in services["orchestrator"]["volumes"][1:]}
    assert targets == {str(settings.knowledge_dir)}


def test_a_browser_here_is_told_where_livekit_is() -> None:
    """Catches an address that only containers can resolve."""
    made = composed(LOOPBACK)
    told = urlsplit(settings_of(made).livekit_client_url)
    assert (told.hostname, told.port) == published(made["services"]["livekit"])["7880"]


def test_what_is_waited_for_is_there() -> None:
    """Catches a name in `depends_on` that no service has, or a check that is not made."""
    services = composed(LOOPBACK)["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert ("healthcheck" in services[name]) or not healthy, name


def test_nothing_cuts_the_drain_off() -> None:
    """Catches a stop that ends running calls: Docker's patience, and supervisord's within it."""
    longest = 86_400
    with pytest.raises(ValidationError):
        LaunchSettings.model_validate({"drain_timeout_seconds": longest + 1})
    settings = LaunchSettings.model_validate({"drain_timeout_seconds": longest})
    plan = make_plan(settings, Embedded(None, None, None), choose(settings))
    text = render(
        plan, run_dir=settings.run_dir, log_dir=settings.log_folder, directory=PROJECT_ROOT
    )
    waits = [int(wait) for wait in re.findall(r"^stopwaitsecs=(\d+)$", text, re.MULTILINE)]
    assert max(waits) == longest + DRAIN_MARGIN_S
    grace = composed(LOOPBACK)["services"]["orchestrator"]["stop_grace_period"]
    hours = re.fullmatch(r"(\d+)h", grace)
    assert hours is not None
    assert int(hours[1]) * 3600 > sum(waits), "it stops one after the other"


@pytest.mark.parametrize(
    ("text", "filled_in"),
    [("$$A", "$A"), ("$A-", "a-"), ("${A}${NONE}", "a"), ("${A:-b}:${NONE:-c}", "a:c"),
     ("${EMPTY-b}", ""), ("${EMPTY:-b}", "b"), ("${A:+yes $A}${EMPTY:+no}", "yes a"),
     ("${NONE:+${OTHER:?not asked for}}", ""), ("${NONE:-${A}}", "a"), ("${A:?why}", "a")],
)  # fmt: skip
def test_filling_in_variables(text: str, filled_in: str) -> None:
    """Catches an interpolation of ours that is not Compose's."""
    assert substitute(text, {"A": "a", "EMPTY": ""}) == filled_in


@pytest.mark.parametrize("text", ["${NONE:?why}", "${NONE?why}", "${EMPTY:?why}"])
def test_a_variable_that_is_asked_for(text: str) -> None:
    """Catches a requirement that is passed over."""
    with pytest.raises(VariableMissing, match="why"):
        substitute(text, {"EMPTY": ""})
