"""Which URLs and addresses may be fetched: the pure policy, without a socket.

A predicate of `ipaddress` is not enough: `is_global` is true for NAT64, 6to4 and mapped forms of internal addresses,
for multicast, and for the metadata services of two clouds. So the networks that are not public are listed here one by
one, and addresses that carry an IPv4 address inside are unwrapped and judged by it as well. Nor may a resolver judge
the host: `getaddrinfo` reads `127.1`, `0x7f.1` and circled digits as 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

from llmcoder.errors import BadInput

Address = IPv4Address | IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARS = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}

# Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, and the metadata service that lies outside of them.
# The first network that holds an address gives the reason, so narrow ones stand before wide ones.
_NOT_PUBLIC: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this machine"),
        ("10.0.0.0/8", "a private network"),
        ("100.64.0.0/10", "a carrier's or cloud's internal network"),
        ("127.0.0.0/8", "this machine"),
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("169.254.0.0/16", "a link-local address, where clouds keep their metadata service"),
        ("172.16.0.0/12", "a private network"),
        ("192.0.0.0/24", "an IETF protocol assignment, where one cloud keeps its metadata service"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.31.196.0/24", "a special-purpose network (AS112)"),
        ("192.52.193.0/24", "a special-purpose network (AMT)"),
        ("192.88.99.0/24", "a special-purpose network (6to4 relay)"),
        ("192.168.0.0/16", "a private network"),
        ("192.175.48.0/24", "a special-purpose network (AS112)"),
        ("198.18.0.0/15", "a network for benchmarks"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/127", "this machine"),
        ("::/8", "a reserved address"),
        ("64:ff9b:1::/48", "a local NAT64 network"),  # RFC 8215: where the IPv4 address stands in it is not knowable
        ("100::/8", "a discard-only or reserved network"),
        ("fc00::/7", "a private network"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private network (site-local)"),
        ("ff00::/8", "a multicast address"),
        ("2001::/23", "an IETF protocol assignment"),  # Teredo, ORCHID, benchmarks among them
        ("2001:db8::/32", "an address for documentation"),
        ("2620:4f:8000::/48", "a special-purpose network (AS112)"),
        ("3fff::/20", "an address for documentation"),
    )
)
# All that IANA has given out as global unicast; what lies outside, and is not NAT64, belongs to nobody yet.
_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
# Through these a public IPv4 host is reached; the IPv4 address inside alone decides.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TRANSLATED = (_MAPPED, _NAT64, _SIX_TO_FOUR)
# The other forms that carry one: IPv4-compatible, SIIT.
_LAST_32_BITS = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"), _MAPPED, _NAT64)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP_INTERFACE_IDS = (0x00005EFE, 0x02005EFE)

# Ports where an HTTP request could be read as another protocol: all that systems reserve, and from above them the "bad
# ports" of the Fetch standard, databases and brokers.
_WEB_PORTS_BELOW_1024 = frozenset({80, 443})
_REFUSED_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 6000, 6379, 6566, *range(6665, 6670)}
    | {6679, 6697, 10080, 11211, 27017}
)

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?", re.I)
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d{0,5}))?", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_LEFT_AS_IS = "%/:@!$&'()*+,;=-._~?[]{}|^`"


@dataclass(frozen=True)
class Target:
    """One URL that has passed the checks a URL alone allows.

    Attributes:
        host: Canonical: lower case, IDNA, no trailing dot, IPv6 without brackets.
        path: Path and query, percent-encoded, as sent.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port; as in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> Target:
    """Take a URL apart, strictly.

    Raises:
        BadInput: Not http or https, credentials inside, a host that is not canonical, control characters.
    """
    url = url.strip(" ")
    if len(url) > MAX_URL_CHARS or _CONTROLS.search(url) or "\\" in re.split(r"[?#]", url, maxsplit=1)[0]:
        raise BadInput(f"The URL is longer than {MAX_URL_CHARS} characters or has control characters or backslashes.")
    parts = _URL.match(url)
    if parts is None or (scheme := parts["scheme"].lower()) not in DEFAULT_PORTS:
        raise BadInput("Only URLs that start with http:// or https:// can be fetched.")
    if "@" in parts["authority"]:
        raise BadInput("The URL holds a user name or password; send credentials as a header instead.")
    host, port = _host_and_port(parts["authority"], DEFAULT_PORTS[scheme])
    path = quote((parts["path"] or "/") + (parts["query"] or ""), safe=_LEFT_AS_IS)
    return Target(scheme, host, port, path)


def parse_authority(text: str) -> tuple[str, int]:
    """Host and port of `host:port`, as a CONNECT request names them.

    Raises:
        BadInput: It is not that, or the host is not canonical.
    """
    if not re.search(r":\d+$", text, re.ASCII):
        raise BadInput("The address is not a host with a port.")
    return _host_and_port(text, 0)


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise BadInput("The URL's host or port cannot be read.")
    port = int(parts["port"] or default_port)
    if not 0 < port < 65536:
        raise BadInput(f"The URL's port {port} does not exist.")
    if parts["v6"] is not None:
        return str(_ipv6(parts["v6"])), port
    return canonical_host(parts["name"]), port


def canonical_host(host: str) -> str:
    """The one spelling of a host that is checked, resolved and sent; an address only in its canonical form.

    Raises:
        BadInput: A number form of an IPv4 address, Unicode digits, or not a host name at all.
    """
    if ":" in host:
        return str(_ipv6(host))
    name = _ascii_name(host).lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(name) if host.isascii() else _refuse_number(name)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadInput(f"The URL's host {name[:80]!r} is not a valid name.")
    return name


def _ascii_name(host: str) -> str:
    if host.isascii():
        return host
    if any(char.isdigit() and not char.isascii() for char in host):
        raise BadInput("The URL's host is written with Unicode digits; write plain ones.")
    import idna  # loads large tables, which most hosts do not need

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadInput("The URL's host is not a valid international name.") from error


def _ipv4(name: str) -> str:
    """The WHATWG rule: a host whose last label is a number is an IPv4 address; ours takes the dotted form only."""
    try:
        return str(IPv4Address(name))
    except ValueError:
        return _refuse_number(name)


def _refuse_number(name: str) -> str:
    raise BadInput(f"The URL's host {name[:80]!r} is a number form of an address; write it as four decimal numbers.")


def _ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise BadInput("The URL's host is not a valid IPv6 address.") from error
    if address.scope_id is not None:
        raise BadInput("The URL's host names a network interface, which cannot be fetched from.")
    return address


def why_not_public(address: Address) -> str | None:
    """What kind of place an address is, where it is not a public one; None for a public address."""
    for inside in _embedded(address):
        if reason := why_not_public(inside):
            return reason
    if any(address in network for network in _TRANSLATED):
        return None
    for network, reason in _NOT_PUBLIC:
        if address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST_V6:
        return "a reserved address"
    return None


def _embedded(address: Address) -> Iterable[IPv4Address]:
    """Every IPv4 address that some mechanism would read out of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS) or (bits >> 32) & 0xFFFFFFFF in _ISATAP_INTERFACE_IDS:
        yield IPv4Address(bits & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address((bits >> 80) & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address((bits >> 64) & 0xFFFFFFFF)
        yield IPv4Address(~bits & 0xFFFFFFFF)


@dataclass(frozen=True)
class AllowList:
    """What may be reached although it is not public: the setting FETCH_ALLOW."""

    everything: bool
    hosts: frozenset[tuple[str, int | None]]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, entries: Sequence[str]) -> AllowList:
        """Read hosts (`jira.lan`), hosts with a port (`127.0.0.1:8080`), networks (`10.0.0.0/8`, `fd00::/8`) and `*`.

        Raises:
            ValueError: An entry is none of these; the message quotes it.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        for entry in (given.strip() for given in entries):
            if network := _network(entry):
                networks.append(network)
            elif entry and entry != "*":
                hosts.add(_allowed_host(entry))
        return cls("*" in [entry.strip() for entry in entries], frozenset(hosts), tuple(networks))

    def has_host(self, host: str, port: int) -> bool:
        """Whether a host is allowed by its name, whatever it resolves to."""
        return self.everything or (host, None) in self.hosts or (host, port) in self.hosts

    def has_address(self, address: Address) -> bool:
        """Whether an address lies in an allowed network; a mapped IPv4 address counts as itself."""
        plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
        return any(plain in network for network in self.networks)


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _allowed_host(entry: str) -> tuple[str, int | None]:
    try:
        host, port = _host_and_port(entry, 80)
    except BadInput as error:
        raise ValueError(f"FETCH_ALLOW: {entry!r} is not a host, a host:port, a network or *.") from error
    return host, port if re.search(r":\d+$", entry) else None


class BlockedAddress(BadInput):
    """The guard refuses an address; only an operator can change that, and to ask again does not."""


def refuse_port(host: str, port: int, allow: AllowList) -> None:
    """Refuse ports that other protocols own, unless the host is allowed by name."""
    reserved = port < 1024 and port not in _WEB_PORTS_BELOW_1024
    if (reserved or port in _REFUSED_PORTS) and not allow.has_host(host, port):
        entry = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise BlockedAddress(f"{host}: port {port} belongs to another protocol. {_remedy(entry)}")


def checked_answers(host: str, port: int, answers: Iterable[str], allow: AllowList) -> list[Address]:
    """The addresses a host may be reached at; a single one that is not public spoils all of them.

    Taking the public ones among mixed answers would let whoever owns the name choose by making those unreachable.

    Raises:
        BadInput: An answer is not public and not allowed. The address itself is not told: it may be an internal secret.
    """
    addresses = [ipaddress.ip_address(answer) for answer in dict.fromkeys(answers)]
    if allow.has_host(host, port):
        return addresses
    for address in addresses:
        reason = None if allow.has_address(address) else why_not_public(address)
        if reason is not None:
            raise blocked(host, reason)
    return addresses


def blocked(host: str, reason: str) -> BlockedAddress:
    """The error for an address that may not be reached."""
    return BlockedAddress(f"{host} may not be fetched: its address is not public ({reason}). {_remedy(host)}")


def _remedy(entry: str) -> str:
    return f"If it is meant to be reached, an operator adds {entry} to the setting FETCH_ALLOW."
