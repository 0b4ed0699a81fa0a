"""Stands in for CPython's C module: TCP clients whose connections the host makes, where it grants them.

A file descriptor here is a number that the host knows a connection by; those of files are far below.
"""

import errno
from marshal import dumps, loads

import _host

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


# Whether anything is granted: the host says so at the start.
granted = False

# Descriptors of sockets: above those of files.
_FIRST_FD = 1 << 20
_next_fd = _FIRST_FD
_sockets = {}  # descriptor to (family, type, protocol), of sockets that are not closed


def new_fd(kind=None):
    global _next_fd
    _next_fd += 1
    if kind is not None:
        _sockets[_next_fd] = kind
    return _next_fd


def is_socket(fd):
    return fd > _FIRST_FD


def _refuse(what):
    raise OSError(errno.EACCES, f"{what}: the network is not available in the sandbox")


def _refuse_kind(what):
    raise OSError(errno.ENOTSUP, f"{what} are not available in the sandbox")


def call(op, timeout, *args):
    """One request to the host. *timeout* None waits for ever, 0 not at all."""
    ok, value = loads(_host.call(dumps(("net", op, timeout, *args), 2)))
    if ok:
        return value
    raise make_error(*value)


def make_error(kind, detail, text):
    """The exception for an error of the host."""
    if kind == "denied":
        return PermissionError(errno.EACCES, text)
    if kind == "os":
        import os

        number = getattr(errno, detail, errno.EIO)
        return OSError(number, text or os.strerror(number))
    if kind == "limit":
        return TimeoutError(errno.ETIMEDOUT, text) if "time to connect" in text else OSError(errno.EDQUOT, text)
    if kind == "timeout":
        return TimeoutError(text)
    if kind == "blocked":
        return BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    if kind == "lookup":
        return gaierror(EAI_NONAME, text)
    import _ssl

    return _ssl.make_error(kind, detail, text)


class socket:
    """A socket: a TCP connection to a host, once it is connected."""

    __slots__ = ("_fd", "_timeout", "_family", "_type", "_proto", "_options", "_begun")

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        self._fd = -1
        self._timeout = _default_timeout
        self._options = {}
        self._begun = False
        if not granted:
            _refuse("socket")
        if fileno is not None:
            kind = _sockets.get(fileno)
            if kind is None:
                raise OSError(errno.EBADF, "Bad file descriptor")
            self._family, self._type, self._proto = (
                given if given != -1 else known for given, known in zip((family, type, proto), kind)
            )
            self._fd = int(fileno)
            self._begun = True
            return
        family = int(AF_INET if family == -1 else family)
        type = int(SOCK_STREAM if type == -1 else type)
        proto = int(0 if proto == -1 else proto)
        if type & SOCK_NONBLOCK:
            self._timeout = 0.0
        type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
        if family == AF_UNIX:
            _refuse_kind("Unix sockets")
        if family not in (AF_INET, AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        if type != SOCK_STREAM or proto not in (0, IPPROTO_TCP):
            _refuse_kind("sockets other than of TCP")
        self._family, self._type, self._proto = family, type, proto
        self._fd = new_fd((family, type, proto))

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)

    def __repr__(self):
        return f"<socket object, fd={self._fd}, family={self._family}, type={self._type}, proto={self._proto}>"

    def __del__(self):
        fd = getattr(self, "_fd", -1)
        if fd != -1:
            import warnings

            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            self.close()

    def _call(self, op, *args):
        if self._fd == -1:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return call(op, self._timeout, self._fd, *args)

    def fileno(self):
        return self._fd

    def close(self):
        fd, self._fd = self._fd, -1
        if fd != -1:
            _sockets.pop(fd, None)
            call("close", 0, fd)

    def detach(self):
        fd, self._fd = self._fd, -1
        return fd

    # -- connecting --------------------------------------------------------------------------------------------------

    def _address(self, address):
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
        host, port = address[:2]
        if isinstance(host, (bytes, bytearray)):
            host = bytes(host).decode("ascii")
        if not 0 <= port <= 0xFFFF:
            raise OverflowError("connect(): port must be 0-65535.")
        numeric = _numeric(host)
        if numeric is None:
            found = getaddrinfo(host, port, self._family, SOCK_STREAM)
            numeric = found[0][4][0]
        return numeric, int(port)

    def connect(self, address):
        host, port = self._address(address)
        if self._begun:
            try:
                self._call("connect", host, port)
            except BlockingIOError:
                raise BlockingIOError(errno.EALREADY, "Operation already in progress") from None
            except OSError:
                self._begun = False
                raise
            raise OSError(errno.EISCONN, "Transport endpoint is already connected")
        self._begun = True
        try:
            self._call("connect", host, port)
        except BlockingIOError:
            raise BlockingIOError(errno.EINPROGRESS, "Operation now in progress") from None
        except BaseException:
            # As a socket that was never connected: it can be tried with another address.
            self._begun = False
            call("close", 0, self._fd)
            raise

    def _connect_error(self):
        """What an attempt that did not wait has come to: an exception or None."""
        error = call("error", 0, self._fd) if self._begun else None
        return None if error is None else make_error(*error)

    def connect_ex(self, address):
        try:
            self.connect(address)
        except TimeoutError:
            return errno.EAGAIN
        except gaierror:
            raise
        except OSError as error:
            return error.errno
        return 0

    def getpeername(self):
        return self._sockaddr(self._call("addresses")[1])

    def getsockname(self):
        try:
            return self._sockaddr(self._call("addresses")[0])
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            return ("0.0.0.0", 0) if self._family == AF_INET else ("::", 0, 0, 0)

    def _sockaddr(self, pair):
        return pair if self._family == AF_INET else (*pair, 0, 0)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def recv(self, bufsize, flags=0):
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        data = self._call("receive", bufsize, bool(flags & MSG_PEEK))
        while flags & MSG_WAITALL and len(data) < bufsize:
            more = self._call("receive", bufsize - len(data), False)
            if not more:
                break
            data += more
        return data

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, bufsize, flags=0):
        return self.recv(bufsize, flags), None

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        return self.recv_into(buffer, nbytes, flags), None

    def send(self, data, flags=0):
        return self._call("send", bytes(memoryview(data)[:_SEND_MAX]))

    def sendall(self, data, flags=0):
        view = memoryview(data).cast("B")
        while view:
            view = view[self._call("send", bytes(view[:_SEND_MAX])) :]

    def sendto(self, data, *rest):
        _refuse_kind("datagrams")

    def shutdown(self, how):
        self._call("shutdown", int(how))

    # -- options -----------------------------------------------------------------------------------------------------

    def settimeout(self, timeout):
        if timeout is not None:
            timeout = float(timeout)
            if timeout < 0:
                raise ValueError("Timeout value out of range")
        self._timeout = timeout

    def gettimeout(self):
        return self._timeout

    @property
    def timeout(self):
        return self._timeout

    def setblocking(self, flag):
        self._timeout = None if flag else 0.0

    def getblocking(self):
        return self._timeout != 0.0

    def setsockopt(self, level, option, value, length=None):
        self._options[level, option] = value

    def getsockopt(self, level, option, length=None):
        if level == SOL_SOCKET and option == SO_ERROR:
            error = self._connect_error()
            return 0 if error is None else error.errno or errno.EIO
        if level == SOL_SOCKET and option == SO_TYPE:
            return self._type
        value = self._options.get((level, option), 0)
        if length is None:
            return value if isinstance(value, int) else 0
        return value if isinstance(value, bytes) else int(value).to_bytes(length, "little")

    def bind(self, address):
        if address[1] == 0:
            return  # any port: what a client has anyway
        _refuse_kind("listening sockets")

    def listen(self, backlog=0):
        _refuse_kind("listening sockets")

    def accept(self):
        _refuse_kind("listening sockets")

    _accept = accept


_SEND_MAX = 1 << 16

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


def _numeric(host):
    """*host* in the form the host writes addresses, or None for a name."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _port(port, flags=0):
    if port is None:
        return 0
    if isinstance(port, (bytes, bytearray)):
        port = bytes(port).decode("ascii")
    if isinstance(port, str):
        if port.isdecimal() or port == "":
            return int(port or 0)
        if port not in _SERVICES or flags & AI_NUMERICSERV:
            raise gaierror(EAI_SERVICE, "Servname not supported for ai_socktype")
        return _SERVICES[port]
    return int(port)


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    return run_lookup(lookup(host, port, family, type, proto, flags))


def run_lookup(steps):
    """Drive the generator of `lookup`, standing still for the host."""
    try:
        name = next(steps)
        steps.send(call("resolve", None, name))
    except StopIteration as stop:
        return stop.value


def lookup(host, port, family, type, proto, flags):
    """`getaddrinfo` without a wait: gives the name that is to be looked up, if any, is sent its addresses, and returns."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii")
    if host == "" or host is None and port is None:
        raise gaierror(EAI_NONAME, "Name or service not known")
    if host is None:
        host = {AF_INET6: "::"}.get(family, "0.0.0.0") if flags & AI_PASSIVE else "127.0.0.1"
    numeric = _numeric(host)
    if numeric is None and not granted:
        raise gaierror(EAI_AGAIN, f"cannot look up {host!r}: the network is not available in the sandbox")
    port = _port(port, flags)
    if numeric is not None:
        found = [numeric]
    elif flags & AI_NUMERICHOST:
        raise gaierror(EAI_NONAME, "Name or service not known")
    else:
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        found = yield host
    infos = []
    for address in found:
        kind = AF_INET6 if ":" in address else AF_INET
        if family not in (AF_UNSPEC, kind):
            continue
        sockaddr = (address, port, 0, 0) if kind == AF_INET6 else (address, port)
        name = host if flags & AI_CANONNAME and not infos else ""
        for socktype, protocol in ((SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP)):
            if type in (0, socktype) and proto in (0, protocol):
                infos.append((kind, socktype, protocol, name, sockaddr))
    if not infos:
        raise gaierror(EAI_NONAME, "Name or service not known")
    return infos


def gethostbyname(name):
    return getaddrinfo(name, None if name is None else 0, AF_INET, SOCK_STREAM)[0][4][0]


def gethostbyname_ex(name):
    return name, [], [info[4][0] for info in getaddrinfo(name, 0, AF_INET, SOCK_STREAM)]


def gethostbyaddr(address):
    raise herror(EAI_AGAIN, f"cannot look up {address!r}: names of addresses are not available in the sandbox")


def getnameinfo(address, flags):
    host, port = address[:2]
    if not flags & NI_NUMERICHOST and _numeric(host) is None:
        raise gaierror(EAI_NONAME, "Name or service not known")
    if not flags & NI_NUMERICSERV:
        return host, next((name for name, number in _SERVICES.items() if number == port), str(port))
    return host, str(port)


def socketpair(family=AF_UNIX, type=SOCK_STREAM, proto=0):
    _refuse("socketpair")


def close(fd):
    if _sockets.pop(fd, None) is None:
        raise OSError(errno.EBADF, "Bad file descriptor")
    call("close", 0, fd)


def dup(fd):
    raise OSError(errno.ENOTSUP, "copies of sockets are not available in the sandbox")


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
