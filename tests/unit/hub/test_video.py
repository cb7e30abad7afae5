"""What becomes of a camera's packets: chunks, pictures, clips."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from hub import wire
from hub.errors import MessageError
from hub.model import Packet, VideoChunk, utc
from hub.picture import Picture
from hub.video import recording
from hub.video.access_unit import ParameterSets
from hub.video.clip import remux
from hub.video.decode import Decoder
from hub.video.lost import Lost
from hub.video.preview import preview, still
from hub.video.session import film
from hub.video.source import Source
from tests.films import Recipe, codec_of, grey_of, pictures
from tests.films import film as encoded

BEGIN = 1_800_000_000.0

KINDS = [Recipe(), Recipe(b_frames=2), Recipe(codec="hevc"), Recipe(codec="hevc", b_frames=2)]
NAMES = ["h264", "h264 with B-frames", "hevc", "hevc with B-frames"]


def chunks_of(recipe: Recipe, folder: Path, begin: float = BEGIN) -> list[VideoChunk]:
    with Source(str(encoded(recipe, folder / "film.mp4"))) as source:
        return list(film(source, "cuihu/cam", "cuihu", begin))


def decoded(chunks: Sequence[VideoChunk]) -> list[Picture]:
    decoder = Decoder()
    out = [picture for chunk in chunks for picture in decoder.push(chunk)]
    return out + list(decoder.flush())


@pytest.mark.parametrize("recipe", KINDS, ids=NAMES)
def test_a_film_becomes_chunks_that_lose_no_picture(recipe: Recipe, tmp_path: Path) -> None:
    chunks = chunks_of(recipe, tmp_path)
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert all(not packet.key for chunk in chunks for packet in chunk.packets[1:]), "a key frame opens its chunk"
    for chunk in chunks:
        span = (chunk.packets[-1].dts - chunk.packets[0].dts) * chunk.num / chunk.den
        assert span <= 0.2
        opened = [c.at for c in chunks if c.key and c.sequence <= chunk.sequence]
        assert chunk.gop_at == opened[-1]
    dts = [packet.dts for chunk in chunks for packet in chunk.packets]
    assert all(a < b for a, b in itertools.pairwise(dts))

    shown = decoded(chunks)
    assert len(shown) == recipe.frames
    assert [round((p.at - BEGIN) * 25, 3) for p in shown] == list(range(recipe.frames))
    for number, picture in enumerate(shown):
        assert picture.luma.shape == (240, 320)
        assert abs(int(picture.luma[200, 300]) - grey_of(number)) <= 3, f"frame {number} shows what was drawn"


@pytest.mark.parametrize("recipe", KINDS, ids=NAMES)
def test_every_key_packet_carries_its_parameter_sets(recipe: Recipe, tmp_path: Path) -> None:
    for chunk in chunks_of(recipe, tmp_path):
        if chunk.key:
            decoder = Decoder()
            alone = [*decoder.push(chunk), *decoder.flush()]
            assert alone, "decoding can start at any key chunk"
            assert alone[0].key


def test_a_chunk_survives_the_wire(tmp_path: Path) -> None:
    chunk = chunks_of(Recipe(), tmp_path)[0]
    assert wire.decode(VideoChunk, *wire.encode(chunk)) == chunk


def test_pictures_are_views_not_copies(tmp_path: Path) -> None:
    picture = decoded(chunks_of(Recipe(frames=2), tmp_path))[0]
    assert picture.luma.base is not None
    assert picture.luma.strides[0] >= picture.width


@pytest.mark.parametrize("recipe", [Recipe(b_frames=2), Recipe(codec="hevc")], ids=["h264", "hevc"])
def test_a_damaged_packet_costs_the_rest_of_its_gop_and_no_more(recipe: Recipe, tmp_path: Path) -> None:
    chunks = chunks_of(recipe, tmp_path)
    chunks[2] = _damaged(chunks[2])
    decoder = Decoder()
    shown = [p for chunk in chunks for p in decoder.push(chunk)] + list(decoder.flush())
    assert decoder.corrupt >= 1
    numbers = [round((p.at - BEGIN) * 25) for p in shown]
    assert numbers[-50:] == list(range(25, 75)), "the next key frame heals it"
    assert set(range(25)) - set(numbers), "what leans on the damage is left out"
    smeared = [n for n, p in zip(numbers, shown, strict=True) if abs(int(p.luma[200, 300]) - grey_of(n)) > 3]
    assert set(smeared) <= {11}, "at most the damaged picture itself: FFmpeg gives it out before it complains"


def test_garbage_never_raises(tmp_path: Path) -> None:
    good = chunks_of(Recipe(), tmp_path)
    for waste in (b"", b"\x00", b"\xff" * 300, b"\x00\x00\x01", b"\x00\x00\x01\x65" + b"\x80" * 50):
        bad = msgspec.structs.replace(good[0], packets=(Packet(waste, 0, 0, True), *good[0].packets[1:]))
        decoder = Decoder()
        shown = [p for chunk in [bad, *good[1:]] for p in decoder.push(chunk)] + list(decoder.flush())
        assert [round((p.at - BEGIN) * 25) for p in shown][-50:] == list(range(25, 75))


def test_missing_chunks_wait_for_a_key_frame_and_repeats_are_left_out(tmp_path: Path) -> None:
    chunks = chunks_of(Recipe(), tmp_path)
    assert len(decoded([c for c in chunks if c.sequence != 2])) == 10 + 50
    assert len(decoded([c for chunk in chunks for c in (chunk, chunk)])) == 75


def test_a_new_session_with_another_codec_and_size_decodes_on(tmp_path: Path) -> None:
    first = chunks_of(Recipe(frames=30, b_frames=2), tmp_path)
    second = chunks_of(Recipe(codec="hevc", width=640, height=480, frames=30), tmp_path, BEGIN + 5)
    assert first[0].session != second[0].session
    shown = decoded([*first, *second])
    assert [(p.width, p.height) for p in shown] == [(320, 240)] * 30 + [(640, 480)] * 30


def test_a_codec_nobody_decodes_is_skipped(tmp_path: Path) -> None:
    chunk = msgspec.structs.replace(chunks_of(Recipe(), tmp_path)[0], codec="av1")
    decoder = Decoder()
    assert list(decoder.push(chunk)) == []
    assert decoder.skipped == len(chunk.packets)


@pytest.mark.parametrize("recipe", KINDS, ids=NAMES)
def test_a_clip_begins_at_the_key_frame_before_and_ends_where_asked(recipe: Recipe, tmp_path: Path) -> None:
    clip = remux(chunks_of(recipe, tmp_path), utc(BEGIN + 1.5), utc(BEGIN + 2.5))
    assert clip.whole
    assert clip.begin == utc(BEGIN + 1.0)
    assert abs(clip.end.timestamp() - BEGIN - 2.5) < 0.13
    assert (clip.width, clip.height) == (320, 240)
    shown = pictures(clip.data)
    assert len(shown) == clip.pictures
    assert [round((b[0] - a[0]) * 25, 2) for a, b in itertools.pairwise(shown[:-3])] == [1.0] * (len(shown) - 4)
    assert codec_of(clip.data) == (("hevc", "hvc1") if recipe.codec == "hevc" else ("h264", "avc1"))


def test_a_lost_connection_leaves_a_gap_of_its_true_length_in_the_clip(tmp_path: Path) -> None:
    before = chunks_of(Recipe(frames=50), tmp_path)
    after = chunks_of(Recipe(frames=50), tmp_path, BEGIN + 5)
    clip = remux([*before, *after], utc(BEGIN), utc(BEGIN + 7))
    times = [t for t, _, _ in pictures(clip.data)]
    assert len(times) == 100
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(5 - 49 / 25, abs=0.01)


def test_of_two_picture_sizes_the_longer_part_is_shown(tmp_path: Path) -> None:
    small = chunks_of(Recipe(frames=50), tmp_path)
    large = chunks_of(Recipe(frames=50, width=640, height=480), tmp_path, BEGIN + 2)
    clip = remux([*small, *large], utc(BEGIN + 1.4), utc(BEGIN + 3.5))
    assert (clip.width, clip.height, clip.whole) == (640, 480, False)
    clip = remux([*small, *large], utc(BEGIN), utc(BEGIN + 2.5))
    assert (clip.width, clip.height, clip.whole) == (320, 240, False)
    assert {(w, h) for _, w, h in pictures(clip.data)} == {(320, 240)}


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    chunks = chunks_of(Recipe(), tmp_path)
    with pytest.raises(MessageError, match="no_video"):
        remux(chunks, utc(BEGIN + 60), utc(BEGIN + 70))
    with pytest.raises(MessageError, match="no_video"):
        remux([], utc(BEGIN), utc(BEGIN + 1))
    with pytest.raises(MessageError, match="no_video"):
        still([c for c in chunks if not c.key])


def test_a_preview_is_small_and_h264(tmp_path: Path) -> None:
    clip = remux(chunks_of(Recipe(codec="hevc", width=1280, height=720), tmp_path), utc(BEGIN), utc(BEGIN + 3))
    small = preview(clip.data)
    shown = pictures(small)
    assert codec_of(small)[0] == "h264"
    assert {(w, h) for _, w, h in shown} == {(640, 360)}
    assert 28 <= len(shown) <= 31
    assert shown[-1][0] == pytest.approx(2.9, abs=0.15)
    with pytest.raises(MessageError, match="no_video"):
        preview(b"not a film")


def test_a_still_is_the_newest_key_frame(tmp_path: Path) -> None:
    data = still(chunks_of(Recipe(), tmp_path))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert abs(int(picture[200, 300, 0]) - grey_of(50)) <= 4


def test_what_is_no_video_we_read_is_lost_with_a_reason(tmp_path: Path) -> None:
    other = encoded(Recipe(codec="mpeg4"), tmp_path / "other.mp4")
    with pytest.raises(Lost, match="mpeg4") as lost:
        Source(str(other))
    assert lost.value.reason == "codec"
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(io.BytesIO(b"\x13" * 5000).getvalue())
    with pytest.raises(Lost) as lost:
        Source(str(noise))
    assert lost.value.reason == "unreadable"
    with pytest.raises(Lost) as lost:
        Source(str(tmp_path / "absent.mp4"))
    assert lost.value.reason == "unreachable"


def test_a_password_is_in_no_error() -> None:
    with pytest.raises(Lost) as lost:
        Source("rtsp://admin:pa@ss:wört@127.0.0.1:1/stream")
    text = "".join(map(str, [lost.value, lost.value.__cause__]))
    assert "pa@ss" not in text
    assert "wört" not in text
    assert "127.0.0.1:1" in text


def test_a_camera_switched_to_the_other_codec_is_noticed(tmp_path: Path) -> None:
    for mine, theirs in (("h264", "hevc"), ("hevc", "h264")):
        sets = ParameterSets(mine)
        for chunk in chunks_of(Recipe(codec=mine), tmp_path):
            for packet in chunk.packets:
                sets.complete(packet.data, packet.key)
        other = chunks_of(Recipe(codec=theirs), tmp_path)[0].packets[0]
        with pytest.raises(Lost) as lost:
            sets.complete(other.data, key=False)
        assert lost.value.reason == "codec"


def test_a_camera_that_never_satisfies_a_strict_decoder_is_forgiven(tmp_path: Path) -> None:
    chunks = chunks_of(Recipe(frames=200, gop=10), tmp_path)
    odd = [_damaged(chunk) if chunk.key else chunk for chunk in chunks]
    shown = [round((p.at - BEGIN) * 25) for p in decoded(odd)]
    assert len([n for n in shown if n >= 120]) > len([n for n in shown if n < 60]), "later it sees more"


def test_recordings_in_other_codecs_can_be_watched(tmp_path: Path) -> None:
    path = encoded(Recipe(codec="mpeg4"), tmp_path / "old.avi")
    shown = list(recording.pictures(path, "cuihu/cam", "cuihu", BEGIN))
    assert len(shown) == 75
    assert shown[0].at == BEGIN
    assert shown[-1].at == pytest.approx(BEGIN + 74 / 25)
    with pytest.raises(MessageError, match="no_video"):
        list(recording.pictures(tmp_path / "absent.avi", "cuihu/cam", "cuihu", BEGIN))


def _damaged(chunk: VideoChunk) -> VideoChunk:
    """A chunk whose second packet has lost its second half."""
    packet = chunk.packets[1]
    cut = Packet(packet.data[: len(packet.data) // 2], packet.pts, packet.dts, packet.key)
    return msgspec.structs.replace(chunk, packets=(chunk.packets[0], cut, *chunk.packets[2:]))
