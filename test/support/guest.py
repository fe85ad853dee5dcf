# The guest's side of the network tests: what a machine would do on its interface, without a machine.
# Python, because Node has neither raw sockets nor ioctl. Every answer is one line of JSON.
# A command that goes on ends with its standard input, so that nothing outlives the test that started it.
import contextlib
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import sys
import threading
import time

import guest_attacks
from guest_frames import (
    LINK, arp_frame, checksum, dhcp_answer, dhcp_message, frames, own_mac, raw_socket, say, udp_frame, until_end_of_input
)  # fmt: skip

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002


# --- the cable ---


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    return tap


def cable(tap_name, namespace):
    """In QEMU's place: holds the tap and carries its frames to and from the guest's own link."""
    outside = open_tap(tap_name)
    with open(namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    inside = open_tap(LINK)
    say("plugged")
    other = {outside: inside, inside: outside}
    while True:
        for ready in select.select([outside, inside, sys.stdin], [], [])[0]:
            if ready is sys.stdin:
                return
            try:
                os.write(other[ready], os.read(ready, 65536))
            except OSError:
                time.sleep(0.01)  # A link that is down or gone: the frame is lost, as on a real cable.


# --- frames ---


def send_udp(to_mac, from_mac, source, source_port, target, target_port, text):
    """One datagram, with whatever addresses are wanted."""
    with raw_socket(0) as sock:
        sock.send(
            udp_frame(to_mac, from_mac, (source, int(source_port)), (target, int(target_port)), text.encode())
        )
    say("sent")


def ask_arp(target, *senders):
    """Asks who has an address, in the name of each `address@mac` in turn; who was answered, until the last was."""
    with raw_socket(0x0806) as sock:
        for sender in senders:
            address, mac = sender.split("@")
            sock.send(arp_frame("ff:ff:ff:ff:ff:ff", 1, mac, address, "00:00:00:00:00:00", target))
        answered = []
        for frame in frames(sock, 3):
            if frame[20:22] == b"\x00\x02" and frame[28:32] == socket.inet_aton(target):
                answered.append(socket.inet_ntoa(frame[38:42]))
                if answered[-1] == senders[-1].split("@")[0]:
                    break
    say(answered)


def claim_by_arp(address, mac, router, router_mac):
    """Tells everybody and the router that `address` is at `mac`."""
    with raw_socket(0) as sock:
        for to_mac in ("ff:ff:ff:ff:ff:ff", router_mac):
            sock.send(arp_frame(to_mac, 2, mac, address, router_mac, router))
            sock.send(arp_frame(to_mac, 1, mac, address, "00:00:00:00:00:00", router))
    say("sent")


def watch_frames():
    """Every IPv4 and ARP frame that reaches the link, in hexadecimal."""
    until_end_of_input()
    with raw_socket(3) as sock:
        say("ready")
        while True:
            frame, (_, _, kind, _, _) = sock.recvfrom(65536)
            if kind != socket.PACKET_OUTGOING and frame[12:14] in (b"\x08\x00", b"\x08\x06"):
                say(frame.hex())


# --- DHCP ---


def dhcp(*wanted):
    """A lease as a booting machine gets it, without an address of its own; with arguments: other MAC, wanted address."""
    mac = wanted[0] if wanted else own_mac()
    transaction = random.getrandbits(32)
    with raw_socket(0x0800) as sock:

        def ask(kind, extra=b""):
            message = dhcp_message(kind, transaction, mac, extra)
            broadcast = ("255.255.255.255", 67)
            sock.send(udp_frame("ff:ff:ff:ff:ff:ff", own_mac(), ("0.0.0.0", 68), broadcast, message))
            for frame in frames(sock, 2):
                if answer := dhcp_answer(frame, transaction):
                    return answer
            return None

        if len(wanted) > 1:
            return say(ask(3, bytes([50, 4]) + socket.inet_aton(wanted[1])))
        if (offer := ask(1)) is None:
            return say(None)
        address, server = socket.inet_aton(offer["address"]), socket.inet_aton(offer["server"])
        say(ask(3, bytes([50, 4]) + address + bytes([54, 4]) + server))


# --- names ---


def dns(server, name, kind="A"):
    """What a name server answers: a code (0 found, 3 unknown, 5 refused) and the records; null for silence."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    number = {"A": 1, "PTR": 12, "AAAA": 28}[kind]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.connect((server, 53))
        try:
            sock.send(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, number, 1))
            message = sock.recv(4096)
        except OSError:
            return say(None)
    count = struct.unpack("!H", message[6:8])[0]
    rest, records = message[12 + len(labels) + 5 :], []
    for _ in range(count):
        length = struct.unpack("!H", rest[10:12])[0]
        value, rest = rest[12 : 12 + length], rest[12 + length :]
        families = {1: socket.AF_INET, 28: socket.AF_INET6}
        family = families.get(number)
        records.append(socket.inet_ntop(family, value) if family else text_name(message, value))
    say({"code": message[3] & 15, "records": records})


def text_name(message, value):
    labels = []
    while value[0]:
        if value[0] >= 0xC0:
            value = message[struct.unpack("!H", value[:2])[0] & 0x3FFF :]
            continue
        labels.append(value[1 : 1 + value[0]].decode())
        value = value[1 + value[0] :]
    return ".".join(labels)


# --- conversations ---


def serve(port):
    """A TCP service that greets each caller with the address it sees and then repeats each line."""
    until_end_of_input()
    listener = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    say("ready")

    def talk(caller, address):
        with caller, caller.makefile("rw") as stream:
            stream.write(f"{address}\n")
            stream.flush()
            for line in stream:
                stream.write(line)
                stream.flush()

    while True:
        caller, (address, *_) = listener.accept()
        address = address.removeprefix("::ffff:")
        threading.Thread(target=talk, args=(caller, address), daemon=True).start()


def echo(port):
    """A TCP service that says everything back, to the last byte."""
    until_end_of_input()
    listener = socket.create_server(("", int(port)))
    say("ready")

    def talk(caller):
        with caller, contextlib.suppress(ConnectionError):
            while data := caller.recv(65536):
                caller.sendall(data)

    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def connect(address, port):
    """One TCP connection: the service's greeting, or why there is none."""
    try:
        with socket.create_connection((address, int(port)), 1.5) as sock:
            say("open " + sock.makefile().readline().strip())
    except TimeoutError:
        say("silent")
    except OSError as error:
        say(error.strerror)


def talk(address, port):
    """A TCP connection that stays: each line of standard input is sent, each answer told."""
    with socket.create_connection((address, int(port)), 5) as sock:
        sock.settimeout(2)
        stream = sock.makefile("rw")
        say(stream.readline().strip())
        for line in sys.stdin:
            stream.write(line)
            stream.flush()
            try:
                say(stream.readline().strip())
            except TimeoutError:
                return say("silent")


def accept(port):
    """A TCP service that only accepts, as fast as it can."""
    until_end_of_input()
    listener = socket.create_server(("", int(port)), backlog=1024)
    say("ready")
    while True:
        listener.accept()[0].close()


def connect_often(address, port, count):
    """So many TCP connections, one after the other, each closed by the service."""
    for _ in range(int(count)):
        with socket.create_connection((address, int(port)), 5) as sock:
            sock.recv(1)
    say("done")


def hear_datagrams(port):
    until_end_of_input()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", int(port)))
        say("ready")
        while True:
            data, (address, _) = sock.recvfrom(4096)
            say(f"{data.decode()} from {address}")


def ping(address):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        request = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1)
        request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
        sock.sendto(request, (address, 0))
        for packet in frames(sock, 1.5):
            if packet[20] == 0 and packet[24:26] == request[4:6]:
                return say("answered")
    say("silent")


COMMANDS = (
    cable, send_udp, ask_arp, claim_by_arp, watch_frames, dhcp, dns, serve, echo, connect, talk, accept, connect_often,
    hear_datagrams, ping, *guest_attacks.COMMANDS,
)  # fmt: skip
{command.__name__.replace("_", "-"): command for command in COMMANDS}[sys.argv[1]](*sys.argv[2:])
