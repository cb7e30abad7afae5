"""Films on disk and their packets: a reel plays without a seam, a fall is in it once, packets carry it unharmed."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facade import View
from simulator.falling import Fall
from simulator.film import Encoding, Reel, Shot, shoot, without_fall
from simulator.masonry import Facade
from simulator.optics import Pinhole, Wall
from simulator.playback import CLOCK, Programme, read_footage
from simulator.rtp import LARGEST, Packetiser, describe
from simulator.scene import Scene

VIEW = View(
    camera=Pinhole(columns=240, rows=136, focal=140, tilt=34.5), wall=Wall(distance=22), facade=Facade(storeys=6)
)
SCENE = Scene(view=VIEW, fall=Fall(at=0.5, floor=4), period=1)
CODECS: tuple[tuple[Literal["h264", "hevc"], int], ...] = (("h264", 0), ("h264", 2), ("hevc", 0), ("hevc", 2))


@pytest.fixture(scope="module", params=CODECS, ids=lambda pair: f"{pair[0]}-b{pair[1]}")
def shot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shot:
    codec, b_frames = request.param
    encoding = Encoding(codec=codec, b_frames=b_frames, gop=10, bit_rate=400_000)
    return shoot(SCENE, tmp_path_factory.mktemp("films"), encoding)


def test_the_part_shown_once_holds_the_fall_in_whole_periods(shot: Shot) -> None:
    assert shot.truth is not None
    once, loop = read_footage(shot.reel.once[0]), read_footage(shot.reel.loop[0])
    assert once.ticks == 3 * CLOCK
    assert loop.ticks == CLOCK
    assert shot.truth.end < once.ticks / CLOCK


def test_both_parts_share_their_parameter_sets(shot: Shot) -> None:
    """Else the sets in the SDP would be wrong from the loop on."""
    once, loop = read_footage(shot.reel.once[0]), read_footage(shot.reel.loop[0])
    assert once.parameter_sets == loop.parameter_sets
    assert len(once.parameter_sets) == (2 if once.codec == "h264" else 3)


def test_a_reel_plays_on_without_a_jump_in_its_times(shot: Shot) -> None:
    units = list(itertools.islice(Programme(shot.reel).units(-CLOCK), 200))
    assert sorted(unit.pts for unit in units)[:190] == [number * 3600 for number in range(190)]
    assert all(later.dts - sooner.dts == 3600 for sooner, later in pairwise(units))
    assert all(unit.dts <= unit.pts for unit in units)


@pytest.mark.parametrize("start", [0.0, 0.1, 2.95, 3.0, 3.7, 1000.0, 86_400.0])
def test_a_viewer_joins_at_the_next_key_frame(shot: Shot, start: float) -> None:
    first = next(Programme(shot.reel).units(round(start * CLOCK)))
    assert first.key
    assert 0 <= first.dts - start * CLOCK <= 11 * 3600


def test_shooting_again_finds_the_film_and_other_values_do_not(tmp_path: Path) -> None:
    encoding = Encoding(gop=10, bit_rate=400_000)
    first = shoot(SCENE, tmp_path, encoding)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert shoot(SCENE, tmp_path, encoding) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    other = shoot(without_fall(SCENE), tmp_path, encoding, seconds=3)
    assert not {*other.reel.once, *other.reel.loop} & set(before)
    assert other.truth is None


def test_every_frame_can_be_decoded_and_a_second_file_of_them_ends(shot: Shot) -> None:
    with av.open(str(shot.reel.once[0])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 75
    ending = Programme(Reel(once=(*shot.reel.once, *shot.reel.loop)))
    assert len(list(ending.units(-CLOCK))) == 100


def nals(codec: str) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Pictures of one to three NAL units of any length, none of a fragment's own type."""
    heads = st.sampled_from([b"\x65", b"\x41", b"\x06"] if codec == "h264" else [b"\x26\x01", b"\x02\x01"])
    sizes = st.one_of(st.integers(1, 40), st.integers(LARGEST - 4, LARGEST + 4), st.integers(1, 9000))
    unit = st.builds(lambda head, size: head + bytes(i * 7 & 255 for i in range(size)), heads, sizes)
    return st.lists(unit, min_size=1, max_size=3).map(tuple)


def reassembled(packets: list[bytes], codec: str) -> Iterator[bytes]:
    """What a receiver makes of the payloads, written from RFC 6184 and RFC 7798, not from the sender."""
    pending = b""
    for packet in packets:
        payload = packet[12:]
        kind = payload[0] & 31 if codec == "h264" else payload[0] >> 1 & 63
        if kind == (28 if codec == "h264" else 49):
            flags = payload[1] if codec == "h264" else payload[2]
            if flags & 0x80:
                whole = flags & (31 if codec == "h264" else 63)
                if codec == "h264":
                    pending = bytes((payload[0] & 0xE0 | whole,))
                else:
                    pending = bytes((payload[0] & 0x81 | whole << 1, payload[1]))
            pending += payload[2:] if codec == "h264" else payload[3:]
            if flags & 0x40:
                yield pending
        else:
            yield payload


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data(), pts=st.integers(0, 2**40), sequence=st.integers(0, 65535))
def test_packets_carry_pictures_unharmed(codec: str, data: st.DataObject, pts: int, sequence: int) -> None:
    picture = data.draw(nals(codec))
    packets = list(Packetiser(7, sequence, 11).packets_of(picture, codec, pts))
    assert tuple(reassembled(packets, codec)) == picture
    assert all(len(packet) <= LARGEST + 12 for packet in packets)
    heads = [struct.unpack("!BBHII", packet[:12]) for packet in packets]
    assert [head[2] for head in heads] == [(sequence + n) % 65536 for n in range(len(packets))]
    assert {head[3] for head in heads} == {(pts + 11) % 2**32}
    assert [head[1] >> 7 for head in heads] == [0] * (len(heads) - 1) + [1]


def test_a_sender_report_ties_wall_time_to_media_time() -> None:
    packetiser = Packetiser(7, 0, 1000)
    list(packetiser.packets_of((b"\x65abc",), "h264", 0))
    report = packetiser.sender_report(1_700_000_000.25, 90_000)
    head, kind, length, ssrc, ntp, fraction, media, packets, octets = struct.unpack("!BBHIIIIII", report[:28])
    assert (head, kind, length, ssrc) == (0x80, 200, 6, 7)
    assert (ntp, fraction) == (1_700_000_000 + 2_208_988_800, 2**30)
    assert (media, packets, octets) == (91_000, 1, 4)
    assert len(report) % 4 == 0


def test_the_sdp_tells_parameter_sets_only_when_asked(shot: Shot) -> None:
    footage = read_footage(shot.reel.once[0])
    told, untold = (describe(footage, "127.0.0.1", with_sets=wish) for wish in (True, False))
    assert "sprop-" in told
    assert "sprop-" not in untold
    assert f"a=rtpmap:96 {'H264' if footage.codec == 'h264' else 'H265'}/90000" in untold
