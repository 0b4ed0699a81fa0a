"""A certificate as `SSLSocket.getpeercert()` gives it: names, times and where it is valid."""

_NAMES = {
    "2.5.4.3": "commonName", "2.5.4.4": "surname", "2.5.4.5": "serialNumber", "2.5.4.6": "countryName",
    "2.5.4.7": "localityName", "2.5.4.8": "stateOrProvinceName", "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName", "2.5.4.11": "organizationalUnitName", "2.5.4.12": "title",
    "2.5.4.15": "businessCategory", "2.5.4.17": "postalCode", "2.5.4.42": "givenName", "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionLocalityName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
}
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SUBJECT_ALT_NAME, _AUTHORITY, _CRL = "2.5.29.17", "1.3.6.1.5.5.7.1.1", "2.5.29.31"
_OCSP, _ISSUERS = "1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2"


def _items(data):
    """(tag, contents) of what stands one after the other in DER data."""
    found, at = [], 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("certificate is cut off")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _oid(data):
    numbers, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _text(tag, data):
    encoding = {30: "utf-16-be", 28: "utf-32-be", 20: "latin-1", 12: "utf-8"}.get(tag, "ascii")
    return data.decode(encoding, "replace")


def _name(data):
    rdns = []
    for _, rdn in _items(data):
        pairs = []
        for _, pair in _items(rdn):
            (_, oid), (tag, value) = _items(pair)
            oid = _oid(oid)
            pairs.append((_NAMES.get(oid, oid), _text(tag, value)))
        rdns.append(tuple(pairs))
    return tuple(rdns)


def _time(tag, data):
    text = data.decode("ascii")
    if tag == 23:  # UTCTime
        text = ("19" if text[:2] >= "50" else "20") + text
    month, day = _MONTHS[int(text[4:6]) - 1], int(text[6:8])
    return f"{month} {day:2} {text[8:10]}:{text[10:12]}:{text[12:14]} {text[:4]} GMT"


def _general_name(tag, data):
    import ipaddress

    kind = tag & 0x1F
    if kind == 7:
        try:
            return "IP Address", str(ipaddress.ip_address(data)) if len(data) == 4 else _groups(data)
        except ValueError:
            return "IP Address", "<invalid>"
    if kind == 4:
        return "DirName", _name(_items(data)[0][1])
    if kind == 8:
        return "Registered ID", _oid(data)
    label = {1: "email", 2: "DNS", 6: "URI"}.get(kind)
    return (label, data.decode("ascii", "replace")) if label else ("othername", "<unsupported>")


def _groups(data):
    return ":".join(f"{int.from_bytes(data[i : i + 2], 'big'):X}" for i in range(0, 16, 2))


def decode(der):
    """The dict for a certificate's DER bytes."""
    fields = _items(_items(_items(der)[0][1])[0][1])
    version = 1
    if fields[0][0] == 0xA0:
        version = _items(fields[0][1])[0][1][-1] + 1
        fields = fields[1:]
    serial = fields[0][1].hex().upper()
    before, after = _items(fields[3][1])
    found = {
        "subject": _name(fields[4][1]),
        "issuer": _name(fields[2][1]),
        "version": version,
        "serialNumber": serial[2:] if serial.startswith("00") and len(serial) > 2 else serial,
        "notBefore": _time(*before),
        "notAfter": _time(*after),
    }
    for tag, data in fields[6:]:
        if tag == 0xA3:
            for _, extension in _items(_items(data)[0][1]):
                parts = _items(extension)
                _extension(found, _oid(parts[0][1]), parts[-1][1])
    return found


def _extension(found, oid, data):
    if oid == _SUBJECT_ALT_NAME:
        found["subjectAltName"] = tuple(_general_name(*item) for item in _items(_items(data)[0][1]))
    elif oid == _AUTHORITY:
        for _, access in _items(_items(data)[0][1]):
            (_, method), (tag, place) = _items(access)
            key = {_OCSP: "OCSP", _ISSUERS: "caIssuers"}.get(_oid(method))
            if key and tag == 0x86:
                found[key] = (*found.get(key, ()), place.decode("ascii", "replace"))
    elif oid == _CRL:
        places = []
        for _, point in _items(_items(data)[0][1]):
            for tag, field in _items(point):
                if tag == 0xA0:
                    for tag, full in _items(field):
                        places += [p.decode("ascii", "replace") for t, p in _items(full) if tag == 0xA0 and t == 0x86]
        if places:
            found["crlDistributionPoints"] = tuple(places)
