"""Stands in for CPython's C module, below the library's own `ssl`: TLS is done by the host.

A context holds what was asked for; the host makes and verifies the connection, so keys and plaintext records never
cross. `MemoryBIO` works: the host encrypts, the guest carries the bytes. Servers, client certificates, PSK and
sessions to resume are not available.
"""

import binascii
import re

import _socket
from _keelback_x509 import decode as _decode

OPENSSL_VERSION = "OpenSSL 3.0.0 (its names and numbers; TLS is rustls on the host)"
OPENSSL_VERSION_NUMBER = 0x30000000
OPENSSL_VERSION_INFO = _OPENSSL_API_VERSION = (3, 0, 0, 0, 0)
_DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20"

# Numbers as OpenSSL has them.
_NUMBERS = {
    "SSL_ERROR_": """
        ZERO_RETURN=6 WANT_READ=2 WANT_WRITE=3 WANT_X509_LOOKUP=4 SYSCALL=5 SSL=1 WANT_CONNECT=7 EOF=8
        INVALID_ERROR_CODE=10
    """,
    "ALERT_DESCRIPTION_": """
        CLOSE_NOTIFY=0 UNEXPECTED_MESSAGE=10 BAD_RECORD_MAC=20 RECORD_OVERFLOW=22 DECOMPRESSION_FAILURE=30
        HANDSHAKE_FAILURE=40 BAD_CERTIFICATE=42 UNSUPPORTED_CERTIFICATE=43 CERTIFICATE_REVOKED=44
        CERTIFICATE_EXPIRED=45 CERTIFICATE_UNKNOWN=46 ILLEGAL_PARAMETER=47 UNKNOWN_CA=48 ACCESS_DENIED=49
        DECODE_ERROR=50 DECRYPT_ERROR=51 PROTOCOL_VERSION=70 INSUFFICIENT_SECURITY=71 INTERNAL_ERROR=80
        USER_CANCELLED=90 NO_RENEGOTIATION=100 UNSUPPORTED_EXTENSION=110 CERTIFICATE_UNOBTAINABLE=111
        UNRECOGNIZED_NAME=112 BAD_CERTIFICATE_STATUS_RESPONSE=113 BAD_CERTIFICATE_HASH_VALUE=114
        UNKNOWN_PSK_IDENTITY=115
    """,
    "OP_": """
        ALL=2147483728 NO_SSLv2=0 NO_SSLv3=33554432 NO_TLSv1=67108864 NO_TLSv1_1=268435456 NO_TLSv1_2=134217728
        NO_TLSv1_3=536870912 CIPHER_SERVER_PREFERENCE=4194304 SINGLE_DH_USE=0 NO_TICKET=16384
        LEGACY_SERVER_CONNECT=4 SINGLE_ECDH_USE=0 NO_COMPRESSION=131072 ENABLE_MIDDLEBOX_COMPAT=1048576
        NO_RENEGOTIATION=1073741824 IGNORE_UNEXPECTED_EOF=128 ENABLE_KTLS=8
    """,
    "VERIFY_": """
        DEFAULT=0 CRL_CHECK_LEAF=4 CRL_CHECK_CHAIN=12 X509_STRICT=32 ALLOW_PROXY_CERTS=64 X509_TRUSTED_FIRST=32768
        X509_PARTIAL_CHAIN=524288
    """,
    "HOSTFLAG_": """
        ALWAYS_CHECK_SUBJECT=1 NEVER_CHECK_SUBJECT=32 NO_WILDCARDS=2 NO_PARTIAL_WILDCARDS=4 MULTI_LABEL_WILDCARDS=8
        SINGLE_LABEL_SUBDOMAINS=16
    """,
    "PROTO_": "MINIMUM_SUPPORTED=-2 MAXIMUM_SUPPORTED=-1 SSLv3=768 TLSv1=769 TLSv1_1=770 TLSv1_2=771 TLSv1_3=772",
    "PROTOCOL_": "SSLv23=2 TLS=2 TLS_CLIENT=16 TLS_SERVER=17 TLSv1=3 TLSv1_1=4 TLSv1_2=5",
    "CERT_": "NONE=0 OPTIONAL=1 REQUIRED=2",
    "HAS_": "SNI=True ECDH=True NPN=False ALPN=True SSLv2=False SSLv3=False TLSv1_2=True TLSv1_3=True",
    "ENCODING_": "PEM=1 DER=2",
}
for _prefix, _items in _NUMBERS.items():
    for _item in _items.split():
        _name, _, _value = _item.partition("=")
        globals()[_prefix + _name] = _value == "True" if _value in ("True", "False") else int(_value)
HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = HAS_TLS_UNIQUE = False
del _prefix, _items, _item, _name, _value, _NUMBERS


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    reason = library = None

    def __str__(self):
        return str(self.strerror if self.strerror is not None else super().__str__())


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data before the requested operation can be completed."""


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data before the requested operation can be completed."""


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""


for _class in (SSLError, SSLZeroReturnError, SSLWantReadError, SSLWantWriteError, SSLSyscallError, SSLEOFError,
               SSLCertVerificationError):
    _class.__module__ = "ssl"


def make_error(kind, detail, text):
    """The exception for an error of TLS on the host; called by `_socket`."""
    if kind == "eof":
        error = SSLEOFError(SSL_ERROR_EOF, "[SSL: UNEXPECTED_EOF_WHILE_READING] unexpected eof while reading (_ssl.c:1000)")
        error.reason, error.library = "UNEXPECTED_EOF_WHILE_READING", "SSL"
        return error
    if kind == "certificate":
        message = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {text} (_ssl.c:1000)"
        error = SSLCertVerificationError(SSL_ERROR_SSL, message)
        error.reason, error.verify_code, error.verify_message = "CERTIFICATE_VERIFY_FAILED", detail, text
    else:
        error = SSLError(SSL_ERROR_SSL, f"[SSL: {detail}] {text} (_ssl.c:1000)")
        error.reason = detail
    error.library = "SSL"
    return error


def _unavailable(what):
    error = SSLError(SSL_ERROR_SSL, f"{what} not available in the sandbox")
    error.reason = "NOT_AVAILABLE"
    return error


# -- random numbers and objects ----------------------------------------------------------------------------------------


def RAND_bytes(n, /):
    import os

    return os.urandom(n)


def RAND_add(string, entropy, /):
    pass


def RAND_status():
    return True


_OBJECTS = {
    "1.3.6.1.5.5.7.3.1": (129, "serverAuth", "TLS Web Server Authentication"),
    "1.3.6.1.5.5.7.3.2": (130, "clientAuth", "TLS Web Client Authentication"),
}


def txt2obj(txt, name=False):
    for oid, (number, short, long) in _OBJECTS.items():
        if txt == oid or name and txt in (short, long):
            return number, short, long, oid
    raise ValueError(f"unknown object '{txt[:100]}'")


def nid2obj(nid, /):
    for oid, (number, short, long) in _OBJECTS.items():
        if nid == number:
            return number, short, long, oid
    raise ValueError(f"unknown NID {nid}")


def get_default_verify_paths():
    return "SSL_CERT_FILE", "/usr/lib/ssl/cert.pem", "SSL_CERT_DIR", "/usr/lib/ssl/certs"


def _test_decode_cert(path, /):
    with open(path, "rb") as file:
        return _decode(_pem_certificates(file.read())[0])


def _pem_certificates(data):
    blocks = re.findall(
        rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END (?:X509 |TRUSTED )?CERTIFICATE-----", data, re.S
    )
    try:
        return [binascii.a2b_base64(block) for block in blocks]
    except binascii.Error:
        raise make_error("tls", "BAD_BASE64_DECODE", "bad base64 decode") from None


class Certificate:
    """A certificate of a chain."""

    def __init__(self, der):
        self._der = der

    def public_bytes(self, format=1, /):
        if format == ENCODING_DER:
            return self._der
        text = binascii.b2a_base64(self._der, newline=False).decode()
        lines = [text[i : i + 64] for i in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])

    def get_info(self):
        return _decode(self._der)

    def __eq__(self, other):
        return self._der == other._der if isinstance(other, Certificate) else NotImplemented

    def __hash__(self):
        return hash(self._der)


class SSLSession:
    """A session to resume: there is none."""

    __module__ = "_ssl"


# -- contexts ----------------------------------------------------------------------------------------------------------


def _setting(name, check=None):
    def get(self):
        return self._settings[name]

    def set(self, value):
        if check is not None:
            value = check(self, value)
        self._settings[name] = value

    return property(get, set)


def _check_verify_mode(self, value):
    value = int(value)
    if value not in (0, 1, 2):
        raise ValueError("invalid value for verify_mode")
    if value == CERT_NONE and self._settings["check_hostname"]:
        raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
    return value


def _check_hostname(self, value):
    value = bool(value)
    if value and self._settings["verify_mode"] == CERT_NONE:
        self._settings["verify_mode"] = CERT_REQUIRED
    return value


def _check_version(self, value):
    value = int(value)
    if value not in (-2, -1, 768, 769, 770, 771, 772):
        raise ValueError(f"Unsupported TLS/SSL version {value:#x}")
    return value


class _SSLContext:
    """What connections made with it ask for."""

    def __new__(cls, protocol, /):
        self = object.__new__(cls)
        if protocol not in (PROTOCOL_TLS, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, PROTOCOL_TLSv1_2):
            raise ValueError("invalid or unsupported protocol version")
        client = protocol == PROTOCOL_TLS_CLIENT
        self._settings = {
            "protocol": int(protocol),
            "verify_mode": CERT_REQUIRED if client else CERT_NONE,
            "check_hostname": client,
            "options": OP_ALL | OP_NO_SSLv3 | OP_NO_COMPRESSION | OP_CIPHER_SERVER_PREFERENCE | OP_ENABLE_MIDDLEBOX_COMPAT,
            "verify_flags": VERIFY_X509_TRUSTED_FIRST,
            "_host_flags": HOSTFLAG_NO_PARTIAL_WILDCARDS,
            "minimum_version": PROTO_TLSv1_2,
            "maximum_version": PROTO_TLSv1_2 if protocol == PROTOCOL_TLSv1_2 else PROTO_MAXIMUM_SUPPORTED,
            "keylog_filename": None,
            "_msg_callback": None,
            "sni_callback": None,
            "num_tickets": 2,
            "post_handshake_auth": False,
        }
        self._certificates = []
        self._system_roots = False
        self._alpn = []
        return self

    def __init__(self, protocol, /):
        pass

    protocol = property(lambda self: self._settings["protocol"])
    verify_mode = _setting("verify_mode", _check_verify_mode)
    check_hostname = _setting("check_hostname", _check_hostname)
    options = _setting("options", lambda self, value: int(value) & 0xFFFFFFFF)
    verify_flags = _setting("verify_flags", lambda self, value: int(value))
    _host_flags = _setting("_host_flags")
    minimum_version = _setting("minimum_version", _check_version)
    maximum_version = _setting("maximum_version", _check_version)
    _msg_callback = _setting("_msg_callback")
    sni_callback = _setting("sni_callback")
    num_tickets = _setting("num_tickets")
    post_handshake_auth = _setting("post_handshake_auth", lambda self, value: bool(value))
    security_level = property(lambda self: 2)

    @property
    def keylog_filename(self):
        return None

    @keylog_filename.setter
    def keylog_filename(self, value):
        if value is not None:
            raise _unavailable("the keys of a connection are")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cadata is not None:
            if isinstance(cadata, str):
                try:
                    data = cadata.encode("ascii")
                except UnicodeEncodeError:
                    raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
                found = _pem_certificates(data)
                if not found:
                    raise make_error("tls", "NO_START_LINE", "no start line: cadata does not contain a certificate")
            else:
                found = _der_certificates(bytes(cadata))
            self._add(found)
        if cafile is not None:
            with open(cafile, "rb") as file:
                found = _pem_certificates(file.read())
            if not found:
                raise make_error("tls", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found")
            self._add(found)
        if capath is not None:
            import os

            for name in sorted(os.listdir(capath)):
                try:
                    with open(os.path.join(os.fsdecode(capath), os.fsdecode(name)), "rb") as file:
                        self._add(_pem_certificates(file.read()))
                except OSError:
                    pass

    def _add(self, certificates):
        for der in certificates:
            if der not in self._certificates:
                self._certificates.append(der)

    def set_default_verify_paths(self):
        import os

        self._system_roots = True
        path = os.environ.get("SSL_CERT_FILE")
        if path and os.path.exists(path):
            self.load_verify_locations(path)

    def get_ca_certs(self, binary_form=False):
        return list(self._certificates) if binary_form else [_decode(der) for der in self._certificates]

    def cert_store_stats(self):
        count = len(self._certificates)
        return {"x509": count, "crl": 0, "x509_ca": count}

    def session_stats(self):
        return dict.fromkeys(
            "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits misses timeouts "
            "cache_full".split(), 0
        )

    def set_ciphers(self, cipherlist, /):
        if not isinstance(cipherlist, str):
            raise TypeError(f"set_ciphers() argument must be str, not {type(cipherlist).__name__}")
        known = re.compile(r"ALL|DEFAULT|HIGH|SECLEVEL|ECDH|AES|CHACHA|GCM|RSA|TLS|PROFILE|^DH|^FIPS")
        if not known.search(cipherlist):
            raise make_error("tls", "NO_CIPHER_MATCH", "No cipher can be selected.")

    def get_ciphers(self):
        return [
            {"id": 0, "name": _cipher(suite)[0], "protocol": _cipher(suite)[1], "description": suite,
             "strength_bits": _cipher(suite)[2], "alg_bits": _cipher(suite)[2], "aead": True}
            for suite in _SUITES
        ]

    def _set_alpn_protocols(self, data, /):
        data, self._alpn = bytes(data), []
        while data:
            self._alpn.append(data[1 : 1 + data[0]])
            data = data[1 + data[0] :]

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        raise _unavailable("certificates of one's own are")

    def load_dh_params(self, path, /):
        raise _unavailable("servers are")

    def set_ecdh_curve(self, name, /):
        pass

    def set_psk_client_callback(self, callback):
        raise _unavailable("pre-shared keys are")

    def set_psk_server_callback(self, callback, identity_hint=None):
        raise _unavailable("pre-shared keys are")

    def _request(self, server_hostname):
        """The options of a connection, as the host takes them."""
        settings = self._settings
        lowest, highest = settings["minimum_version"], settings["maximum_version"]
        versions = 0
        for bit, number, off in ((1, PROTO_TLSv1_2, OP_NO_TLSv1_2), (2, PROTO_TLSv1_3, OP_NO_TLSv1_3)):
            if (lowest < 0 or lowest <= number) and (highest < 0 or number <= highest) and not settings["options"] & off:
                if not (lowest == PROTO_MAXIMUM_SUPPORTED and number != PROTO_TLSv1_3):
                    versions |= bit
        return (
            server_hostname, settings["verify_mode"] != CERT_NONE, settings["check_hostname"], self._system_roots,
            list(self._certificates), list(self._alpn), versions,
        )

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        if server_side:
            raise _unavailable("servers are")
        return _SSLSocket(self, server_hostname, owner or sock, sock)

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        if server_side:
            raise _unavailable("servers are")
        return _SSLSocket(self, server_hostname, owner, None, incoming, outgoing)


def _der_certificates(data):
    """The certificates of DER data, one after the other."""
    found = []
    while data:
        length = _der_length(data)
        if length is None or length > len(data):
            raise make_error("tls", "NOT_ENOUGH_DATA", "not enough data: cadata does not contain a certificate")
        found.append(data[:length])
        data = data[length:]
    return found


def _der_length(data):
    if len(data) < 2 or data[0] != 0x30:
        return None
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")


# -- connections -------------------------------------------------------------------------------------------------------

_SUITES = (
    "TLS13_AES_256_GCM_SHA384 TLS13_AES_128_GCM_SHA256 TLS13_CHACHA20_POLY1305_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
).split()


def _cipher(suite):
    """(name, protocol, bits) as OpenSSL gives them."""
    bits = 128 if "128_GCM" in suite else 256
    if suite.startswith("TLS13_"):
        return "TLS_" + suite[6:], "TLSv1.3", bits
    name = suite[4:].replace("_WITH_", "_").replace("AES_", "AES").replace("_", "-")
    return name.removesuffix("-SHA256") if "CHACHA" in name else name, "TLSv1.2", bits


class _SSLSocket:
    """TLS on a socket, or between two MemoryBIOs."""

    session = None
    session_reused = False

    def __init__(self, context, server_hostname, owner, sock, incoming=None, outgoing=None):
        import weakref

        self.context = context
        self.server_hostname = server_hostname
        self.server_side = False
        self._owner = weakref.ref(owner) if owner is not None else None
        self._sock = weakref.ref(sock) if sock is not None else None
        self._incoming, self._outgoing = incoming, outgoing
        self._told_end = False
        self._info = None
        if sock is not None:
            self._fd = sock.fileno()
            _socket.call("secure", 0, self._fd, *context._request(server_hostname))
        else:
            self._fd = _socket.new_fd()
            _socket.call("memory", 0, self._fd, *context._request(server_hostname))
            self._close = weakref.finalize(self, _close_memory, self._fd)
            self._close.atexit = False
            self._move()

    @property
    def owner(self):
        return self._owner() if self._owner is not None else None

    def _move(self):
        data = _socket.call("drain", 0, self._fd)
        if data:
            self._outgoing.write(data)

    def _call(self, op, *args):
        if self._incoming is None:
            sock = self._sock()
            timeout = None if sock is None else sock.gettimeout()
            try:
                return _socket.call(op, timeout, self._fd, *args)
            except BlockingIOError:
                raise self._want(op) from None
            except TimeoutError as error:
                if error.errno is not None:
                    raise
                what = {"send": "write", "receive": "read"}.get(op, op)
                raise TimeoutError(f"The {what} operation timed out") from None
        if self._incoming.pending or self._incoming._ended and not self._told_end:
            self._told_end = self._incoming._ended
            _socket.call("feed", 0, self._fd, self._incoming.read(), self._told_end)
        try:
            return _socket.call(op, 0, self._fd, *args)
        except BlockingIOError:
            raise self._want("receive") from None
        finally:
            self._move()

    def _want(self, op):
        if op == "send":
            return SSLWantWriteError(SSL_ERROR_WANT_WRITE, "The operation did not complete (write) (_ssl.c:1000)")
        return SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read) (_ssl.c:1000)")

    def do_handshake(self):
        if self.context._settings["check_hostname"] and not self.server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        self._call("handshake")

    def read(self, size=1024, buffer=None, /):
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            if size <= 0 or size > len(view):
                size = len(view)
        if size < 0:
            raise ValueError("size should not be negative")
        if size == 0:
            return b"" if buffer is None else 0
        data = self._call("receive", size, False)
        if not data and self._incoming is not None:
            raise SSLZeroReturnError(SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF) (_ssl.c:1000)")
        if buffer is None:
            return data
        view[: len(data)] = data
        return len(data)

    def write(self, data, /):
        view = memoryview(data).cast("B")
        return self._call("send", bytes(view[:_socket._SEND_MAX]))

    def pending(self):
        return _socket.call("buffered", 0, self._fd)

    def shutdown(self):
        self._call("unwrap")
        if self._incoming is not None:
            # The other side's goodbye, if it came.
            try:
                if self._call("receive", 1, True):
                    raise make_error("tls", "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "application data after close notify")
            except SSLEOFError:
                pass
        return self._sock() if self._sock is not None else None

    def _describe(self):
        if self._info is None:
            self._info = _socket.call("tls", 0, self._fd)
        return self._info

    def version(self):
        info = self._describe()
        return info and info[0].replace("TLSv1_", "TLSv1.")

    def cipher(self):
        info = self._describe()
        return info and _cipher(info[1])

    def shared_ciphers(self):
        return None

    def compression(self):
        return None

    def selected_alpn_protocol(self):
        info = self._describe()
        return info[2].decode("ascii") if info and info[2] is not None else None

    def getpeercert(self, binary_mode=False, /):
        info = self._describe()
        if info is None:
            raise ValueError("handshake not done yet")
        if not info[3]:
            return None
        if binary_mode:
            return info[3][0]
        return {} if self.context._settings["verify_mode"] == CERT_NONE else _decode(info[3][0])

    def get_unverified_chain(self):
        info = self._describe()
        return [Certificate(der) for der in info[3]] if info else None

    get_verified_chain = get_unverified_chain

    def get_channel_binding(self, cb_type="tls-unique"):
        if cb_type != "tls-unique":
            raise ValueError(f"'{cb_type}' channel binding type not implemented")
        return None

    def verify_client_post_handshake(self):
        raise _unavailable("servers are")


def _close_memory(fd):
    _socket.call("close", 0, fd)


class MemoryBIO:
    """Bytes between TLS and whoever carries them."""

    def __init__(self):
        self._data = bytearray()
        self._ended = False

    def read(self, size=-1, /):
        if size is None or size < 0:
            size = len(self._data)
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def write(self, data, /):
        if self._ended:
            raise SSLError(SSL_ERROR_SSL, "cannot write() after write_eof()")
        data = memoryview(data).cast("B")
        self._data += data
        return len(data)

    def write_eof(self):
        self._ended = True

    @property
    def pending(self):
        return len(self._data)

    @property
    def eof(self):
        return self._ended and not self._data
