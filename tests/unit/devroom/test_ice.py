"""Which of a client's addresses a transport talks to."""

from dataclasses import dataclass, field

import aioice.stun

from devroom.ice import IceRegistry, IceSession

SOURCE = ("192.0.2.7", 4000)


@dataclass(eq=False)
class Way:
    """A path that keeps what goes over it."""

    sent: list[bytes] = field(default_factory=list)
    forgotten: bool = False

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def forget(self, session: IceSession) -> None:
        self.forgotten = True


@dataclass
class Transport:
    """A session in a registry, and how often it was told of a path."""

    registry: IceRegistry = field(default_factory=IceRegistry)
    paths: int = 0
    session: IceSession = field(init=False)

    def __post_init__(self) -> None:
        self.session = IceSession(self.registry, lambda _: None, self.on_path)

    def on_path(self) -> None:
        self.paths += 1


def check(ufrag: str, password: str, *, nominate: bool = False) -> bytes:
    """A client's connectivity check."""
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:theirs"
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


def test_a_check_finds_its_transport() -> None:
    """Catches media that go to another participant, and a nomination that is not seen."""
    one = Transport()
    other = Transport(one.registry)
    answered = one.registry.answer(check(other.session.ufrag, other.session.password), SOURCE)
    assert answered is not None
    assert (answered[1], answered[2]) == (other.session, False)
    nominating = check(one.session.ufrag, one.session.password, nominate=True)
    answered = one.registry.answer(nominating, SOURCE)
    assert answered is not None
    assert (answered[1], answered[2]) == (one.session, True)


def test_a_check_without_the_password_is_not_answered() -> None:
    """Catches a stranger who takes over a transport, also by the credentials of no transport."""
    one = Transport()
    other = Transport(one.registry)
    assert one.registry.answer(check(one.session.ufrag, other.session.password), SOURCE) is None
    assert one.registry.answer(check("unknown", ""), SOURCE) is None
    assert one.registry.answer(b"\0" * 20, SOURCE) is None


def test_the_first_path_is_used_until_another_is_nominated() -> None:
    """Catches a path that flaps with every check, or one that cannot be changed."""
    transport, wifi, mobile = Transport(), Way(), Way()
    transport.session.send(b"nobody there yet")
    transport.session.checked(wifi, nominated=False)
    transport.session.checked(mobile, nominated=False)
    transport.session.send(b"one")
    transport.session.checked(mobile, nominated=True)
    transport.session.checked(mobile, nominated=True)
    transport.session.send(b"two")
    assert (wifi.sent, mobile.sent) == ([b"one"], [b"two"])
    assert transport.paths == 2


def test_a_broken_path_is_replaced_by_the_next_that_is_checked() -> None:
    """Catches a transport that keeps writing into a closed TCP connection."""
    transport, first, second = Transport(), Way(), Way()
    transport.session.checked(first, nominated=True)
    transport.session.lose(first)
    assert transport.session.path is None
    transport.session.checked(second, nominated=False)
    assert transport.session.path is second


def test_old_credentials_hold_after_a_restart_for_a_while() -> None:
    """Catches checks on their way during a restart that are lost, and credentials that pile up."""
    transport = Transport()
    seen = [(transport.session.ufrag, transport.session.password)]
    for _ in range(6):
        transport.session.restart()
        seen.append((transport.session.ufrag, transport.session.password))
    assert len(set(seen)) == len(seen)
    known = [transport.registry.answer(check(*one), SOURCE) is not None for one in seen]
    assert known == [False, False, False, True, True, True, True]


def test_paths_have_a_bound() -> None:
    """Catches a client that makes the server remember every address it can write from."""
    transport = Transport()
    ways = [Way() for _ in range(40)]
    for way in ways:
        transport.session.checked(way, nominated=False)
    assert sum(not way.forgotten for way in ways) == 16


def test_closing_leaves_nothing() -> None:
    """Catches credentials and addresses that outlive their participant."""
    transport, way = Transport(), Way()
    transport.session.restart()
    transport.session.checked(way, nominated=True)
    transport.session.close()
    assert len(transport.registry) == 0
    assert way.forgotten
    assert transport.session.path is None
