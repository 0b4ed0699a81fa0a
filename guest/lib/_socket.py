"""Stands in for CPython's C module: names for `import socket`, and errors for whoever would use the network."""

import errno

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 = 0, 1, 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET = 1, 2, 3, 4, 5
SOCK_NONBLOCK, SOCK_CLOEXEC = 0o4000, 0o2000000
SOL_SOCKET, SOL_IP, SOL_TCP, SOL_UDP = 1, 0, 6, 17
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF = 1, 2, 3, 4, 5, 6, 7, 8
SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_LINGER, SO_REUSEPORT = 9, 10, 12, 13, 15
SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO = 18, 19, 20, 21
SOMAXCONN = 4096
MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = (
    1, 2, 4, 8, 32, 64, 256, 16384,
)
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
IPPROTO_IP, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_RAW = 0, 1, 6, 17, 41, 255
IPPORT_RESERVED, IPPORT_USERRESERVED = 1024, 5000
INADDR_ANY, INADDR_BROADCAST, INADDR_LOOPBACK, INADDR_NONE = 0, 0xFFFFFFFF, 0x7F000001, 0xFFFFFFFF
TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT = 1, 2, 3, 4, 5, 6
IPV6_V6ONLY, IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP = 26, 16, 18, 20, 21
IP_TOS, IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP = 1, 2, 33, 34, 35, 36
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_V4MAPPED, AI_ALL, AI_ADDRCONFIG, AI_NUMERICSERV = 1, 2, 4, 8, 16, 32, 1024
EAI_BADFLAGS, EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_FAMILY, EAI_SOCKTYPE, EAI_SERVICE = -1, -2, -3, -4, -6, -7, -8
EAI_MEMORY, EAI_SYSTEM, EAI_OVERFLOW = -10, -11, -12
NI_MAXHOST, NI_MAXSERV, NI_NUMERICHOST, NI_NUMERICSERV, NI_NOFQDN, NI_NAMEREQD, NI_DGRAM = 1025, 32, 1, 2, 4, 8, 16

has_ipv6 = True
error = OSError
timeout = TimeoutError


class herror(OSError):
    """Error of a host name look-up."""


class gaierror(OSError):
    """Error of an address look-up."""


herror.__module__ = gaierror.__module__ = "socket"


def _refuse(what):
    raise OSError(errno.EACCES, f"{what}: the network is not available in the sandbox")


class socket:
    """A socket, which cannot be made."""

    __slots__ = ()  # the class in socket.py brings its own
    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        _refuse("socket")

    def fileno(self):
        return -1

    def close(self):
        pass

    timeout = None
    family = type = proto = 0


for _name in """
    accept _accept bind connect connect_ex detach getpeername getsockname getsockopt gettimeout getblocking listen recv recv_into
    recvfrom recvfrom_into send sendall sendto setblocking setsockopt settimeout shutdown
""".split():

    def _method(self, *args, _name=_name, **kwargs):
        _refuse(_name)

    _method.__name__ = _name
    setattr(socket, _name, _method)
del _name, _method

SocketType = socket
CAPI = None

_default_timeout = None


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(timeout):
    global _default_timeout
    _default_timeout = None if timeout is None else float(timeout)


def gethostname():
    return "sandbox"


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    raise gaierror(EAI_AGAIN, f"cannot look up {host!r}: the network is not available in the sandbox")


def gethostbyname(name):
    getaddrinfo(name, None)


def gethostbyname_ex(name):
    getaddrinfo(name, None)


def gethostbyaddr(address):
    raise herror(EAI_AGAIN, f"cannot look up {address!r}: the network is not available in the sandbox")


def getnameinfo(address, flags):
    raise gaierror(EAI_AGAIN, f"cannot look up {address!r}: the network is not available in the sandbox")


def socketpair(family=AF_UNIX, type=SOCK_STREAM, proto=0):
    _refuse("socketpair")


def close(fd):
    _refuse("close")


def dup(fd):
    _refuse("dup")


def if_nameindex():
    return []


_SERVICES = {"ftp": 21, "ssh": 22, "smtp": 25, "domain": 53, "http": 80, "pop3": 110, "imap2": 143, "https": 443}


def getservbyname(name, protocol="tcp"):
    if name not in _SERVICES:
        raise OSError("service/proto not found")
    return _SERVICES[name]


def getservbyport(port, protocol="tcp"):
    for name, number in _SERVICES.items():
        if number == port:
            return name
    raise OSError("port/proto not found")


def getprotobyname(name):
    numbers = {"icmp": 1, "ip": 0, "tcp": 6, "udp": 17, "ipv6": 41}
    if name not in numbers:
        raise OSError("protocol not found")
    return numbers[name]


def ntohs(number):
    if not 0 <= number <= 0xFFFF:
        raise OverflowError("ntohs: Python int too large to convert to C 16-bit unsigned integer")
    return int.from_bytes(number.to_bytes(2, "little"), "big")


def ntohl(number):
    if not 0 <= number <= 0xFFFFFFFF:
        raise OverflowError("ntohl: Python int too large to convert to C 32-bit unsigned integer")
    return int.from_bytes(number.to_bytes(4, "little"), "big")


htons, htonl = ntohs, ntohl


def inet_aton(text):
    parts = text.split(".")
    try:
        numbers = [int(part, 0) for part in parts]
    except ValueError:
        raise OSError("illegal IP address string passed to inet_aton") from None
    if not 1 <= len(numbers) <= 4 or any(not 0 <= number <= 255 for number in numbers[:-1]):
        raise OSError("illegal IP address string passed to inet_aton")
    last = 5 - len(numbers)
    if not 0 <= numbers[-1] < 256**last:
        raise OSError("illegal IP address string passed to inet_aton")
    return bytes(numbers[:-1]) + numbers[-1].to_bytes(last, "big")


def inet_ntoa(packed):
    if len(packed) != 4:
        raise OSError("packed IP wrong length")
    return ".".join(map(str, bytes(packed)))


def inet_pton(family, text):
    import ipaddress

    try:
        if family == AF_INET:
            return ipaddress.IPv4Address(text).packed
        if family == AF_INET6:
            return ipaddress.IPv6Address(text).packed
    except ValueError:
        raise OSError("illegal IP address string passed to inet_pton") from None
    raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")


def inet_ntop(family, packed):
    import ipaddress

    if family == AF_INET and len(packed) == 4:
        return str(ipaddress.IPv4Address(bytes(packed)))
    if family == AF_INET6 and len(packed) == 16:
        return str(ipaddress.IPv6Address(bytes(packed)))
    raise ValueError("invalid length of packed IP address string")
