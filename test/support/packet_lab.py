# The ends of a router's links, all in one process: frames byte by byte, and conversations of the kernel's own.
# Every line of standard input is a command in JSON, every line of output its answer. Ends with its standard input.
import ctypes
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
LINK = "eth0"
ROUTER_MAC = bytes.fromhex("02ff00000001")
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(name):
    """Only the thread that calls it goes there."""
    with open(f"/run/netns/{name}") as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


# --- frames ---


def total(data):
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def transport(packet, mark, addresses):
    protocol, port = packet["protocol"], packet.get("port", 0)
    source_port = packet.get("sourcePort", 1024 + mark % 60000)
    body = bytes.fromhex(packet.get("body", ""))
    pseudo = addresses + struct.pack("!HH", 0, protocol)
    if protocol == 6:
        data = struct.pack("!HHIIBBHHH", source_port, port, mark, 0, 0x50, packet.get("flags", 2), 64000, 0, 0)
        at = 16
    elif protocol == 17:
        data = struct.pack("!HHHH", source_port, port, 8 + len(body), 0) + body
        at = 6
    else:
        data = struct.pack("!BBHI", packet.get("type", 0), packet.get("code", 0), 0, mark << 16) + body
        at = 2
        pseudo = b"" if protocol == 1 else pseudo
    length = b"" if pseudo == b"" else struct.pack("!H", len(data))
    return data[:at] + struct.pack("!H", total(pseudo + length + data)) + data[at + 2 :]


def frame(packet, mark):
    """An IPv4 packet has the mark as its identification, an IPv6 packet as its flow label: routers keep both."""
    mac = bytes.fromhex(packet["mac"].replace(":", ""))
    if "raw" in packet:
        return ROUTER_MAC + mac + bytes.fromhex(packet["raw"])
    addresses = packed(packet["source"]) + packed(packet["destination"])
    data = transport(packet, mark, addresses)
    tag = bytes.fromhex(packet.get("tag", ""))
    if len(addresses) == 8:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), mark, 0, 64, packet["protocol"], 0)
        head = head[:10] + struct.pack("!H", total(head + addresses)) + addresses
        return ROUTER_MAC + mac + tag + b"\x08\x00" + head + data
    hops = packet.get("hops", 64)
    head = struct.pack("!IHBB", 6 << 28 | mark, len(data), packet["protocol"], hops) + addresses
    return ROUTER_MAC + mac + tag + b"\x86\xdd" + head + data


def arrived(data):
    if data[12:14] == b"\x08\x00":
        mark, source, target = struct.unpack("!H", data[18:20])[0], data[26:30], data[30:34]
    elif data[12:14] == b"\x86\xdd" and data[38] != 0xFF:
        mark, source, target = struct.unpack("!I", data[14:18])[0] & 0xFFFFF, data[22:38], data[38:54]
    else:
        return None
    return {"mark": mark, "source": str(ipaddress.ip_address(source)), "destination": str(ipaddress.ip_address(target))}


class Ends:
    def __init__(self, namespaces):
        self.namespaces = namespaces
        self.sockets = {name: self.inside(name, self.open) for name in namespaces}

    def inside(self, name, action, *args):
        """Runs an action in a thread that lives in the namespace."""
        result = []

        def run():
            enter(self.namespaces[name])
            result.append(action(*args))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return result[0]

    @staticmethod
    def open():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        sock.bind((LINK, 3))
        return sock

    def arrivals(self, patience):
        found = []
        names = {sock: name for name, sock in self.sockets.items()}
        while ready := select.select(list(names), [], [], patience)[0]:
            for sock in ready:
                data, (_, _, kind, _, _) = sock.recvfrom(65536)
                if kind != socket.PACKET_OUTGOING and (what := arrived(data)):
                    found.append({**what, "at": names[sock]})
        return found

    # --- commands ---

    def send(self, packets):
        """Sends `{from, …, mark}` each and tells what has arrived where, once nothing more does."""
        self.arrivals(0)
        for packet in packets:
            self.sockets[packet["from"]].send(frame(packet, packet["mark"]))
        return self.arrivals(0.2)

    def stream(self, source, target, address, port, gap):
        """Datagrams at a steady pace and one TCP connection after the other, until `stop`."""
        self.stream_state = state = {"on": True, "sent": 0, "heard": 0, "connections": 0, "slow": 0, "failed": []}
        state["threads"] = threads = []

        def begin(name, work):
            def run():
                enter(self.namespaces[name])
                work()

            threads.append(threading.Thread(target=run, daemon=True))
            threads[-1].start()

        ready = [threading.Event(), threading.Event()]

        def hear():
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
                sock.bind(("", port))
                sock.settimeout(0.5)
                ready[0].set()
                while True:
                    try:
                        sock.recv(100)
                        state["heard"] += 1
                    except TimeoutError:
                        if not state["on"]:
                            return

        def serve():
            with socket.create_server(("", port), backlog=100) as listener:
                listener.settimeout(0.5)
                ready[1].set()
                while True:
                    try:
                        listener.accept()[0].close()
                    except TimeoutError:
                        if not state["on"]:
                            return

        def talk():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                while state["on"]:
                    sock.sendto(b"x", (address, port))
                    state["sent"] += 1
                    time.sleep(gap)

        def connect():
            while state["on"]:
                start = time.monotonic()
                try:
                    with socket.create_connection((address, port), 5) as sock:
                        sock.recv(1)
                    state["connections"] += 1
                    # A lost packet is sent again after 0.2 s at the soonest.
                    state["slow"] += time.monotonic() - start > 0.19
                except OSError as error:
                    state["failed"].append(str(error))

        begin(target, hear)
        begin(target, serve)
        for event in ready:
            event.wait(5)
        if gap > 0:
            begin(source, talk)
        begin(source, connect)
        return "on"

    def stop(self):
        state = self.stream_state
        state["on"] = False
        for thread in state.pop("threads"):
            thread.join()
        return {key: value for key, value in state.items() if key != "on"}


def main():
    ends = Ends(json.loads(sys.argv[1]))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command, *args = json.loads(line)
        print(json.dumps(getattr(ends, command)(*args)), flush=True)
    os._exit(0)


main()
