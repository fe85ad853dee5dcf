# What a hostile guest sends, byte by byte, and what it learns from the answers. Commands of guest.py.
import errno
import ipaddress
import json
import os
import random
import resource
import select
import socket
import struct
import time

from guest_frames import (
    LINK, checksum, dhcp_message, frames, mac_bytes, own_mac, raw_socket, say, udp_frame, until_end_of_input
)  # fmt: skip

EXTENSIONS = {"hop": 0, "route": 43, "destination": 60}
FRAGMENT = 44


def packed(address):
    return ipaddress.ip_address(address).packed


def total(data):
    return checksum(data + b"\0" * (len(data) % 2))


# --- packets ---


def transport(spec, addresses):
    """The protocol's number and its bytes; each spec names one of udp, tcp, icmp, icmp6."""
    if "udp" in spec:
        source_port, port, text = spec["udp"]
        body = text if isinstance(text, bytes) else text.encode()
        number, at = 17, 6
        data = struct.pack("!HHHH", source_port, port, 8 + len(body), 0) + body
    elif "tcp" in spec:
        source_port, port, flags, sequence, acknowledged, text = spec["tcp"]
        number, at = 6, 16
        data = struct.pack("!HHIIBBHHH", source_port, port, sequence, acknowledged, 0x50, flags, 64000, 0, 0)
        data += text.encode()
    else:
        number, at = (1, 2) if "icmp" in spec else (58, 2)
        kind, code, rest = spec.get("icmp") or spec["icmp6"]
        body = packet(rest)[:48] if isinstance(rest, dict) else bytes.fromhex(rest)
        data = struct.pack("!BBH", kind, code, 0) + (b"\0\0\0\0" + body if isinstance(rest, dict) else body)
    pseudo = b"" if number == 1 else addresses + struct.pack("!HH", 0, number) + struct.pack("!H", len(data))
    return number, data[:at] + struct.pack("!H", total(pseudo + data)) + data[at + 2 :]


def packet(spec):
    return packets(spec)[0]


def packets(spec):
    """The packet that a spec describes; more than one when `cut` says after how many bytes to fragment it."""
    addresses = packed(spec["source"]) + packed(spec["destination"])
    number, data = transport(spec, addresses)
    identification = random.getrandbits(16)
    cut = spec.get("cut", len(data))
    pieces = [(0, data[:cut], cut < len(data))] + ([(cut, data[cut:], False)] if cut < len(data) else [])
    if len(addresses) == 8:
        return [ipv4(addresses, number, piece, identification) for piece in pieces]
    # The headers in front of the first fragment are in front of every one.
    chain = [EXTENSIONS[name] for name in spec.get("extensions", [])]
    result = []
    for offset, part, more in pieces:
        if cut < len(data):
            part = struct.pack("!BBHI", number, 0, offset | more, identification) + part
        kinds = [*chain, FRAGMENT if cut < len(data) else number]
        # A routing header without segments left, and options that are padding: nothing that anybody minds.
        for kind, following in zip(reversed(chain), reversed(kinds[1:])):
            part = bytes([following, 0]) + (bytes(6) if kind == 43 else b"\x01\x04\0\0\0\0") + part
        head = struct.pack("!IHBB", 6 << 28, len(part), kinds[0], spec.get("hops", 64))
        result.append(head + addresses + part)
    return result


def ipv4(addresses, number, piece, identification):
    offset, data, more = piece
    fragment = offset // 8 | (0x2000 if more else 0)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), identification, fragment, 64, number, 0)
    return head[:10] + struct.pack("!H", total(head + addresses)) + addresses + data


def ethernet(spec, mac):
    head = mac_bytes(spec["to"]) + mac_bytes(spec.get("mac", mac)) + bytes.fromhex(spec.get("tag", ""))
    if "raw" in spec:
        return [head + bytes.fromhex(spec["raw"])]
    kind = b"\x86\xdd" if ":" in spec["source"] else b"\x08\x00"
    return [head + kind + each for each in packets(spec)]


def send_frames(specs):
    mac = own_mac()
    with raw_socket(0) as sock:
        for spec in json.loads(specs):
            for frame in ethernet(spec, mac):
                sock.send(frame)
    say("sent")


def overhear():
    """Every frame that reaches the link, whatever it is, in hexadecimal."""
    until_end_of_input()
    with raw_socket(3) as sock:
        say("ready")
        while True:
            frame, (_, _, kind, _, _) = sock.recvfrom(65536)
            if kind != socket.PACKET_OUTGOING:
                say(frame.hex())


# --- looking for services ---


def ports_of(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def scan(address, protocol, ports):
    """Every port that does anything but keep silent: `open`, or the error that came back."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    # The link has to be named for a link-local address.
    target = (address, 0, 0, socket.if_nametoindex(LINK)) if family == socket.AF_INET6 else (address, 0)
    waiting, answers, poll = {}, {}, select.poll()
    for port in ports_of(ports):
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        error = sock.connect_ex((address, port, *target[2:]))
        if error not in (0, errno.EINPROGRESS):
            answers[port] = os.strerror(error)
            continue
        if protocol == "udp":
            # What a name server understands.
            sock.send(b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1")
        poll.register(sock, select.POLLOUT if protocol == "tcp" else select.POLLIN)
        waiting[sock.fileno()] = (port, sock)
    deadline = time.monotonic() + 2.5
    while waiting and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            port, sock = waiting.pop(descriptor)
            poll.unregister(descriptor)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answers[port] = os.strerror(error) if error else "open"
    say(answers)


# --- DHCP ---


def send_dhcp(kind, mac, address, server, relay="0.0.0.0", source="0.0.0.0"):
    """A DHCP message in the name of any machine: 4 declines an address, 7 gives it back."""
    extra = bytes([54, 4]) + socket.inet_aton(server) + bytes([50, 4]) + socket.inet_aton(address)
    message = bytearray(dhcp_message(int(kind), random.getrandbits(32), mac, extra))
    message[12:16] = socket.inet_aton(address if kind == "7" else "0.0.0.0")
    message[24:28] = socket.inet_aton(relay)
    target = (server if source != "0.0.0.0" else "255.255.255.255", 67)
    with raw_socket(0) as sock:
        sock.send(udp_frame("ff:ff:ff:ff:ff:ff", own_mac(), (source, 68), target, bytes(message)))
    say("sent")


def link_local(mac):
    octets = mac_bytes(mac)
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]))


SOLICIT, REQUEST, DECLINE = 1, 3, 9


def option6(code, data):
    return struct.pack("!HH", code, len(data)) + data


def options6(data):
    found = []
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        found.append((code, data[4 : 4 + length]))
        data = data[4 + length :]
    return found


class Client6:
    """DHCPv6 in the name of a machine (RFC 8415), from its link-local address unless told otherwise."""

    def __init__(self, mac, source):
        self.source, self.transaction = source, random.getrandbits(24)
        self.name = option6(1, struct.pack("!HH", 3, 1) + mac_bytes(mac))
        self.association = mac_bytes(mac)[2:] + bytes(8)

    def message(self, kind, *more):
        asked = option6(6, struct.pack("!HHH", 23, 24, 39)) + option6(8, b"\0\0")
        body = struct.pack("!I", kind << 24 | self.transaction) + self.name + asked + b"".join(more)
        head = {"to": "33:33:00:01:00:02", "source": self.source, "destination": "ff02::1:2", "hops": 1}
        return ethernet({**head, "udp": [546, 547, body]}, own_mac())[0]

    def ask(self, sock, kind, *more, seconds=3):
        sock.send(self.message(kind, *more))
        for frame in frames(sock, seconds):
            if frame[12:14] != b"\x86\xdd" or frame[20] != 17 or frame[56:58] != b"\x02\x22":
                continue
            if frame[63:66] == self.transaction.to_bytes(3, "big"):
                return frame[62], options6(frame[66:])
        return None


def address_of(options):
    for code, data in options:
        if code == 3:
            return next((inner[:16] for kind, inner in options6(data[12:]) if kind == 5), None)
    return None


def dhcp6():
    """A lease as a booting machine gets it: address and name servers; null for silence or when there is none."""
    client = Client6(own_mac(), link_local(own_mac()))
    with raw_socket(0x86DD) as sock:
        offer = client.ask(sock, SOLICIT, option6(3, client.association))
        if offer is None or (address := address_of(offer[1])) is None:
            return say(None)
        server = option6(2, dict(offer[1])[2])
        wanted = option6(3, client.association + option6(5, address + bytes(8)))
        answer = client.ask(sock, REQUEST, server, wanted)
    if answer is None or (address := address_of(answer[1])) is None:
        return say(None)
    resolvers = dict(answer[1]).get(23, b"")
    say({
        "kind": answer[0],
        "address": str(ipaddress.IPv6Address(address)),
        "resolvers": [str(ipaddress.IPv6Address(resolvers[at : at + 16])) for at in range(0, len(resolvers), 16)],
    })  # fmt: skip


def decline6(mac, source, address):
    """Tells the server, in the name of another machine, that its address is taken; what was answered."""
    client = Client6(mac, source)
    with raw_socket(0x86DD) as sock:
        own = Client6(own_mac(), link_local(own_mac()))
        offer = own.ask(sock, SOLICIT, option6(3, own.association))
        server = option6(2, dict(offer[1])[2]) if offer else b""
        lease = option6(3, client.association + option6(5, packed(address) + bytes(8)))
        for kind in (SOLICIT, REQUEST, DECLINE):
            client.ask(sock, kind, *([server] if kind != SOLICIT else []), lease, seconds=0.3)
    say("sent")


def ask_for_router():
    """What the router says of itself to whoever asks for one (RFC 4861, 4.2); null for silence."""
    solicitation = {"to": "33:33:00:00:00:02", "source": link_local(own_mac()), "destination": "ff02::2", "hops": 255}
    with raw_socket(0x86DD) as sock:
        sock.send(ethernet({**solicitation, "icmp6": [133, 0, "00000000"]}, own_mac())[0])
        for frame in frames(sock, 5):
            if frame[20] != 58 or frame[54] != 134:
                continue
            hops, flags, lifetime = struct.unpack("!BBH", frame[58:62])
            answer = {"managed": bool(flags & 0x80), "other": bool(flags & 0x40), "lifetime": lifetime, "prefixes": []}
            rest = frame[70:]
            while len(rest) >= 8 and rest[1] > 0:
                if rest[0] == 3:
                    prefix = str(ipaddress.IPv6Address(rest[16:32]))
                    on_link, automatic = bool(rest[3] & 0x80), bool(rest[3] & 0x40)
                    answer["prefixes"].append({"prefix": f"{prefix}/{rest[2]}", "onLink": on_link, "automatic": automatic})
                elif rest[0] == 5:
                    answer["mtu"] = struct.unpack("!I", rest[4:8])[0]
                rest = rest[rest[1] * 8 :]
            return say({**answer, "from": str(ipaddress.IPv6Address(frame[22:38]))})
    say(None)


def ping6(address):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        request = struct.pack("!BBHHH", 128, 0, 0, os.getpid() & 0xFFFF, 1)
        sock.sendto(request, (address, 0))
        for packet in frames(sock, 1.5):
            if packet[0] == 129 and packet[4:] == request[4:]:
                return say("answered")
    say("silent")


# --- the metadata service ---


def ask_metadata(pieces, source=""):
    """
    Sends the pieces of a request, each as a segment of its own, and answers status, body and the TTLs of the segments
    that brought it; null when the service says nothing.
    """
    data = b""
    with raw_socket(0x0800) as seen, socket.socket() as sock:
        sock.settimeout(1.5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect(("169.254.169.254", 80))
            for piece in json.loads(pieces):
                sock.sendall(piece.encode())
                time.sleep(0.05)
            while part := sock.recv(65536):
                data += part
        except OSError as error:
            # What has been said counts, however it ended.
            if not data:
                return say(None if isinstance(error, (TimeoutError, ConnectionResetError)) else error.strerror)
        port = struct.pack("!HH", 80, sock.getsockname()[1])
        ttls = []
        for frame in frames(seen, 0.05):
            length = struct.unpack("!H", frame[16:18])[0]
            if frame[34:38] == port and length > 20 + (frame[46] >> 4) * 4:
                ttls.append(frame[22])
    head, _, body = data.partition(b"\r\n\r\n")
    say({"status": int(head.split()[1]), "body": body.decode(), "ttls": ttls} if head else None)


COMMANDS = (send_frames, overhear, scan, send_dhcp, dhcp6, decline6, ask_for_router, ping6, ask_metadata)
