"""Pictures cut into RTP packets (RFC 6184 for H.264, RFC 7798 for H.265), and the RTCP that goes with them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Final

from simulator.playback import Footage

PAYLOAD_TYPE: Final = 96
LARGEST: Final = 1400
"""Bytes of RTP payload, so that a packet fits one Ethernet frame."""
NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""


class Packetiser:
    """Numbers the packets of one receiver's stream. `packets` and `octets` count what was made."""

    def __init__(self, ssrc: int, sequence: int, offset: int) -> None:
        self.ssrc, self._sequence, self.offset = ssrc, sequence, offset
        self.packets = self.octets = 0

    def packets_of(self, nals: tuple[bytes, ...], codec: str, pts: int) -> Iterator[bytes]:
        """All packets of one picture; the last one bears the marker."""
        timestamp = (pts + self.offset) & 0xFFFFFFFF
        for index, nal in enumerate(nals):
            payloads = list(_h264(nal) if codec == "h264" else _h265(nal))
            for part, payload in enumerate(payloads):
                marker = index == len(nals) - 1 and part == len(payloads) - 1
                head = struct.pack("!BBHII", 0x80, PAYLOAD_TYPE | marker << 7, self._sequence, timestamp, self.ssrc)
                self._sequence = (self._sequence + 1) & 0xFFFF
                self.packets += 1
                self.octets += len(payload)
                yield head + payload

    def sender_report(self, wall: float, ticks: int) -> bytes:
        """Says which wall time (seconds since 1970) belongs to a media time, and who is speaking."""
        seconds = int(wall)
        ntp = (seconds + NTP_EPOCH, round((wall - seconds) * 2**32) & 0xFFFFFFFF)
        report = struct.pack(
            "!BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            ntp[0] & 0xFFFFFFFF,
            ntp[1],
            (ticks + self.offset) & 0xFFFFFFFF,
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )
        name = b"\x01\x06camera\x00\x00"  # CNAME, its length, its text, end and padding to four bytes
        name += b"\x00" * (-len(name) % 4)
        return report + struct.pack("!BBHI", 0x81, 202, 1 + len(name) // 4, self.ssrc) + name

    def goodbye(self) -> bytes:
        """Says that nothing more will come."""
        return struct.pack("!BBHI", 0x81, 203, 1, self.ssrc)


def describe(footage: Footage, address: str, *, with_sets: bool) -> str:
    """The SDP of a stream; parameter sets are in it only if asked for."""
    if footage.codec == "h264":
        sps = footage.parameter_sets[0]
        form = f"packetization-mode=1;profile-level-id={sps[1:4].hex()}"
        if with_sets:
            form += ";sprop-parameter-sets=" + ",".join(map(_text, footage.parameter_sets))
        name = "H264"
    else:
        kinds = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
        sets = [f"{kinds[(nal[0] >> 1) & 63]}={_text(nal)}" for nal in footage.parameter_sets]
        form, name = ";".join(sets) if with_sets else "", "H265"
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {address}",
        "s=camera",
        f"c=IN IP4 {address}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {name}/90000",
        *([f"a=fmtp:{PAYLOAD_TYPE} {form}"] if form else []),
        "a=control:trackID=0",
    ]
    return "".join(line + "\r\n" for line in lines)


def _text(nal: bytes) -> str:
    return base64.b64encode(nal).decode()


def _h264(nal: bytes) -> Iterator[bytes]:
    """RFC 6184: one packet, or FU-A fragments (5.8)."""
    if len(nal) <= LARGEST:
        yield nal
        return
    indicator, kind, body = nal[0] & 0xE0 | 28, nal[0] & 31, nal[1:]
    for start, end, part in _fragments(body, LARGEST - 2):
        yield bytes((indicator, start << 7 | end << 6 | kind)) + part


def _h265(nal: bytes) -> Iterator[bytes]:
    """RFC 7798: one packet, or fragmentation units (4.4.3)."""
    if len(nal) <= LARGEST:
        yield nal
        return
    head, kind, body = bytes((nal[0] & 0x81 | 49 << 1, nal[1])), (nal[0] >> 1) & 63, nal[2:]
    for start, end, part in _fragments(body, LARGEST - 3):
        yield head + bytes((start << 7 | end << 6 | kind,)) + part


def _fragments(body: bytes, size: int) -> Iterator[tuple[bool, bool, bytes]]:
    """Each part with whether it is the first and whether it is the last."""
    for place in range(0, len(body), size):
        yield place == 0, place + size >= len(body), body[place : place + size]
