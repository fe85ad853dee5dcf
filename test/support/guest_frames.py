# Frames and messages for guest.py, byte by byte.
import json
import os
import socket
import struct
import sys
import threading
import time

LINK = "eth0"


def say(answer):
    print(json.dumps(answer), flush=True)


def until_end_of_input():
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def own_mac():
    with raw_socket(0) as sock:
        return ":".join(f"{byte:02x}" for byte in sock.getsockname()[4])


def raw_socket(protocol):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    sock.bind((LINK, protocol))
    return sock


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(to_mac, from_mac, source, target, payload):
    (from_address, from_port), (to_address, to_port) = source, target
    udp = struct.pack("!HHHH", from_port, to_port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    addresses = socket.inet_aton(from_address) + socket.inet_aton(to_address)
    head = head[:10] + struct.pack("!H", checksum(head + addresses)) + addresses
    return mac_bytes(to_mac) + mac_bytes(from_mac) + b"\x08\x00" + head + udp


def arp_frame(to_mac, operation, sender_mac, sender, target_mac, target):
    head = mac_bytes(to_mac) + mac_bytes(sender_mac) + b"\x08\x06"
    return (
        head
        + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        + mac_bytes(sender_mac)
        + socket.inet_aton(sender)
        + mac_bytes(target_mac)
        + socket.inet_aton(target)
    )


def frames(sock, seconds):
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            yield sock.recv(65536)
        except TimeoutError:
            return


DHCP_OPTIONS = {1: "netmask", 3: "router", 6: "resolver", 12: "hostname", 15: "domain", 54: "server"}


def dhcp_message(kind, transaction, mac, extra=b""):
    # An answer to a MAC that is not the link's own would not find the link, so it is asked for as a broadcast.
    flags = 0 if mac == own_mac() else 0x8000
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, transaction, 0, flags) + bytes(16)
    options = b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + extra + bytes([55, 7, 1, 3, 6, 12, 15, 26, 51, 255])
    return head + mac_bytes(mac) + bytes(10 + 192) + options


def dhcp_answer(frame, transaction):
    payload = frame[42:]
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\x00\x44":
        return None
    if payload[0] != 2 or payload[4:8] != struct.pack("!I", transaction):
        return None
    answer = {"address": socket.inet_ntoa(payload[16:20])}
    rest = payload[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        code, length = rest[0], rest[1]
        value, rest = rest[2 : 2 + length], rest[2 + length :]
        if code in (12, 15):
            answer[DHCP_OPTIONS[code]] = value.decode()
        elif code in DHCP_OPTIONS:
            answer[DHCP_OPTIONS[code]] = socket.inet_ntoa(value[:4])
        elif code == 26:
            answer["mtu"] = int.from_bytes(value, "big")
        elif code == 53:
            answer["kind"] = value[0]
    return answer
