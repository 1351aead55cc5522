"""What a thumbnail looks like for each kind of picture, and that no file, however hostile, does harm."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from tracing import needs_strace, run_traced

from cocoannot.errors import BadPicture, CocoannotError, UnknownId
from cocoannot.pictures import rendering
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.rendering import MAX_BYTES
from cocoannot.pictures.source import Picture

RED, WHITE, BLACK, GREY = (255, 0, 0), (255, 255, 255), (0, 0, 0), (128, 128, 128)

RENDER = """
import sys
from pathlib import Path
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.rendering import render as render_file

def render(path, size):
    def made(picture):
        with picture.opened() as file:
            return render_file(file, picture.file_name, size)
    return PictureFolder(path.parent).use({"file_name": path.name}, made)
"""


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def render(path: Path, size: int | None) -> bytes:
    """A thumbnail of whatever is in the file."""
    folder = PictureFolder(path.parent, identify=lambda file, name: "any")

    def made(picture: Picture) -> bytes:
        with picture.opened() as file:
            return rendering.render(file, picture.file_name, size)

    return folder.use({"file_name": path.name}, made)


def thumbnail(path: Path, content: bytes, size: int | None = 256) -> Image.Image:
    path.write_bytes(content)
    result = Image.open(io.BytesIO(render(path, size)), formats=["JPEG"])
    result.load()
    return result


def near(pixel: object, colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= 6 for a, b in zip(pixel, colour, strict=True))  # type: ignore[call-overload]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1200, 800), (256, 171)),
        ((801, 1201), (171, 256)),
        ((257, 256), (256, 255)),
        ((256, 256), (256, 256)),
        ((40, 30), (40, 30)),
        ((5000, 2), (256, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_aspect_is_kept_and_nothing_is_enlarged(
    path: Path, kind: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    image = thumbnail(path, saved(Image.new("RGB", before, "red"), kind))
    assert image.size == after
    assert near(image.getpixel((0, 0)), RED)
    assert near(image.getpixel((after[0] - 1, after[1] - 1)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_whole_picture_is_in_it_and_nothing_but_the_picture(path: Path, kind: str) -> None:
    picture = Image.new("RGB", (1603, 1207), "red")
    picture.paste("white", (801, 0, 1603, 1207))
    image = thumbnail(path, saved(picture, kind), 100)
    assert near(image.getpixel((47, 74)), RED)
    assert near(image.getpixel((52, 74)), WHITE)


def test_rest_of_a_division_counts_for_no_more_than_it_is(path: Path) -> None:
    picture = Image.new("RGB", (801, 801))
    picture.paste("white", (800, 0, 801, 801))
    picture.paste("white", (0, 800, 801, 801))
    corner = thumbnail(path, saved(picture, "PNG"), 4).convert("L").getpixel((3, 3))
    # 53 by Pillow's own `thumbnail`; 166 where the last pixels count for a whole row and column.
    assert isinstance(corner, int)
    assert corner < 80


def test_fine_pattern_becomes_its_average_in_every_mode(path: Path) -> None:
    dots = Image.effect_noise((1024, 1024), 0).point(lambda _: 0)
    dots.putdata([255 * ((n + n // 1024) % 2) for n in range(1024 * 1024)])
    palette = dots.convert("P")
    for picture in (dots, dots.convert("1"), palette, dots.convert("RGBA"), dots.convert("LA"), dots.convert("I;16")):
        level = 0 if picture.mode == "I;16" else 128
        pixel = thumbnail(path, saved(picture, "PNG"), 64).getpixel((30, 30))
        assert near(pixel, (level,) * 3), picture.mode


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "shown"),
    [
        ("L", 128, "JPEG", GREY),
        ("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "TIFF", (254, 0, 0)),
        ("YCbCr", (76, 85, 255), "TIFF", (254, 0, 0)),
        ("LAB", (255, 128, 128), "TIFF", WHITE),
        ("1", 1, "PNG", WHITE),
        ("1", 1, "TIFF", WHITE),
        ("I;16", 0x8080, "PNG", GREY),
        ("I;16", 0xFFFF, "TIFF", WHITE),
        ("I;16B", 0x8080, "TIFF", GREY),
        ("RGBA", (255, 0, 0, 255), "WEBP", RED),
        ("RGBA", (0, 0, 0, 0), "PNG", WHITE),
        ("RGBA", (0, 0, 0, 127), "PNG", GREY),
        ("RGBA", (0, 0, 0, 0), "WEBP", WHITE),
        ("RGBA", (0, 0, 0, 0), "TIFF", WHITE),
        ("LA", (0, 127), "PNG", GREY),
        ("LA", (128, 255), "TIFF", GREY),
    ],
)
@pytest.mark.parametrize("side", [16, 1000])
def test_each_mode_is_shown_in_its_colour_and_on_white(
    path: Path, mode: str, colour: Any, kind: str, shown: tuple[int, int, int], side: int
) -> None:
    image = thumbnail(path, saved(Image.new(mode, (side, side), colour), kind))
    assert image.mode == "RGB"
    assert near(image.getpixel((7, 7)), shown)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("side", [16, 1000])
def test_transparent_colour_of_a_palette_is_white(path: Path, kind: str, side: int) -> None:
    picture = Image.new("P", (side, side), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.paste(1, (side // 2, 0, side, side))
    image = thumbnail(path, saved(picture, kind, transparency=0))
    assert near(image.getpixel((1, 1)), WHITE)
    assert near(image.getpixel((image.width - 2, 1)), RED)


@pytest.mark.parametrize(("mode", "key"), [("L", 0), ("RGB", (0, 0, 0)), ("I;16", 0)])
def test_transparent_colour_of_other_modes_does_no_harm(path: Path, mode: str, key: Any) -> None:
    image = thumbnail(path, saved(Image.new(mode, (300, 300), 0 if mode != "RGB" else BLACK), "PNG", transparency=key))
    assert near(image.getpixel((1, 1)), BLACK if mode == "I;16" else WHITE)


@pytest.mark.parametrize("mode", ["I", "F"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-5000, 70000), (7, 7)])
def test_32_bits_go_from_the_darkest_to_the_brightest(path: Path, mode: str, low: int, high: int) -> None:
    picture = Image.new(mode, (600, 600), low)
    picture.paste(high, (300, 0, 600, 600))
    image = thumbnail(path, saved(picture, "TIFF"))
    if low != high:
        assert near(image.getpixel((2, 2)), BLACK)
        assert near(image.getpixel((253, 2)), WHITE)


def test_numbers_that_are_not_finite_do_no_harm(path: Path) -> None:
    picture = Image.new("F", (2, 2), 1.0)
    for value in (float("nan"), float("inf"), float("-inf"), 3e38):
        picture.putpixel((1, 1), value)
        assert thumbnail(path, saved(picture, "TIFF")).size == (2, 2)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_of_several_pictures_is_shown(path: Path, kind: str) -> None:
    content = saved(
        Image.new("RGB", (64, 64), "red"), kind, save_all=True, append_images=[Image.new("RGB", (64, 64), "white")]
    )
    assert near(thumbnail(path, content).getpixel((9, 9)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("side", [2, 20])
def test_picture_is_turned_as_its_exif_says(path: Path, kind: str, side: int) -> None:
    # The corner of a picture where row 0 and column 0 meet, by the EXIF standard (CIPA DC-008, Orientation).
    corners = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}
    for orientation, (right, bottom) in corners.items():
        picture = Image.new("RGB", (side * 40, side * 20), "white")
        picture.paste("red", (0, 0, side * 10, side * 10))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = thumbnail(path, saved(picture, kind, exif=exif), 80)
        assert image.size == ((80, 40) if orientation < 5 else (40, 80))
        for x in (0, 1):
            for y in (0, 1):
                pixel = image.getpixel((4 + x * (image.width - 9), 4 + y * (image.height - 9)))
                assert near(pixel, RED if (x, y) == (right, bottom) else WHITE), orientation


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_that_is_damaged_does_not_take_the_picture_with_it(path: Path) -> None:
    whole = Image.Exif()
    whole[0x0112] = 6
    for exif in (b"Exif\0\0", b"Exif\0\0nonsense", whole.tobytes()[:-8], b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        assert thumbnail(path, saved(Image.new("RGB", (60, 40)), "JPEG", exif=exif)).width in (40, 60)


def test_nothing_of_the_picture_s_metadata_is_taken_over(path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera of mine"
    content = saved(Image.new("RGB", (60, 40)), "JPEG", exif=exif, comment=b"a comment of mine", dpi=(300, 300))
    path.write_bytes(content)
    assert b"of mine" in content
    assert b"of mine" not in render(path, 256)


def test_comment_too_long_for_a_jpeg_does_no_harm(path: Path) -> None:
    assert thumbnail(path, saved(Image.new("P", (60, 40)), "GIF", comment=b"x" * 70_000)).size == (60, 40)


def png(width: int, height: int, pixels: int = 1000) -> bytes:
    """A grey PNG of `width` x `height`, black, that holds only the first `pixels` of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(pixels)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (12_000, 12_000), (9_460, 9_460), (2**31 - 1, 1)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_picture_beyond_pillow_s_limit_is_refused_before_it_is_decoded(path: Path, width: int, height: int) -> None:
    with pytest.raises(BadPicture, match="too large"):
        thumbnail(path, png(width, height))


def test_jpeg_beyond_pillow_s_limit_is_refused_before_it_is_decoded(path: Path) -> None:
    content = bytearray(saved(Image.new("RGB", (64, 64)), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    with pytest.raises(BadPicture, match="too large"):
        thumbnail(path, bytes(content))


def test_pillow_s_warnings_as_errors_are_refusals_too(path: Path) -> None:
    # All warnings are errors in these tests; Pillow warns of twice as many pixels, and raises beyond that.
    with pytest.raises(BadPicture, match="too large"):
        thumbnail(path, png(10_000, 10_000))


def test_file_that_is_too_long_is_refused_before_it_is_read(path: Path) -> None:
    path.write_bytes(saved(Image.new("RGB", (64, 64)), "WEBP"))
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BadPicture, match="too large"):
        render(path, 256)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "most"),
    [
        ("PNG", "RGBA", {"compress_level": 1}, 4.0),
        ("PNG", "P", {"compress_level": 1}, 1.0),
        ("JPEG", "RGB", {}, 4 / 64),
    ],
)
def test_picture_takes_no_more_memory_than_its_pixels(
    path: Path, kind: str, mode: str, options: Any, most: float
) -> None:
    Image.new(mode, (6000, 5000)).save(path, kind, **options)
    script = (
        RENDER + "import re\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024\n"
        "before = peak(); render(Path(sys.argv[1]), 256); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=True)
    # Pillow loads its plugins too, and a strip is looked at in three modes.
    assert int(done.stdout) < most * 6000 * 5000 + 24e6


@pytest.mark.parametrize(("kind", "mode", "options"), [("PNG", "RGBA", {"compress_level": 1}), ("JPEG", "CMYK", {})])
def test_whole_picture_takes_no_more_memory_than_is_told(path: Path, kind: str, mode: str, options: Any) -> None:
    Image.new(mode, (6000, 5000)).save(path, kind, **options)
    script = (
        RENDER + "import re\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024\n"
        "before = peak(); render(Path(sys.argv[1]), None); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 10 * 6000 * 5000 + 24e6


@pytest.mark.parametrize("orientation", [1, 6])
def test_whole_picture_keeps_each_pixel_and_is_turned(path: Path, orientation: int) -> None:
    picture = Image.effect_noise((301, 203), 90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = thumbnail(path, saved(picture, "TIFF", exif=exif), None).convert("L")
    upright = picture.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else picture
    assert image.size == upright.size
    differences = ImageChops.difference(image, upright).getextrema()
    assert isinstance(differences[1], int)
    assert differences[1] < 40


@needs_strace
def test_picture_is_never_mapped_so_that_one_that_gets_shorter_can_t_end_the_process(tmp_path: Path) -> None:
    image = Image.effect_noise((300, 200), 50)
    image.save(tmp_path / "a.bmp")
    image.save(tmp_path / "raw.tif")
    image.save(tmp_path / "lzw.tif", compression="tiff_lzw")
    script = RENDER + "for path in Path(sys.argv[1]).iterdir(): render(path, 64)"
    log = tmp_path.with_name("log")
    done = run_traced(script, tmp_path, options=["-y", "--seccomp-bpf", "-e", "trace=mmap,openat"], log=log)
    assert done.returncode == 0, done.stderr
    calls = [line for line in log.read_text().splitlines() if str(tmp_path) in line]
    assert len([line for line in calls if "openat(" in line]) > 3
    assert not [line for line in calls if "mmap(" in line]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_picture_is_refused(path: Path, kind: str) -> None:
    content = saved(Image.effect_noise((64, 48), 50), kind)
    for length in (0, 1, 10, 40, len(content) // 2):
        with pytest.raises(BadPicture, match="damaged"):
            thumbnail(path, content[:length])


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0", b"8BPS" + bytes(100), b"P6 1 1 255 abc", b"<svg/>"])
def test_format_that_is_not_served_gets_no_thumbnail(path: Path, content: bytes) -> None:
    with pytest.raises(BadPicture):
        thumbnail(path, content)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("WEBP", "RGBA", {}),
        ("GIF", "P", {}),
        ("BMP", "1", {}),
        ("TIFF", "F", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
    ],
)
def test_damage_anywhere_is_a_thumbnail_or_a_refusal(path: Path, kind: str, mode: str, options: Any) -> None:
    chance = random.Random(kind + mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    extra = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    content = saved(Image.effect_noise((40, 30), 50).convert(mode), kind, **extra, **options)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 2, 8])):
            place = chance.randrange(min(len(damaged), chance.choice([64, 400, 100_000])))
            damaged[place] = chance.choice([0, 127, 128, 255, chance.randrange(256)])
        try:
            thumbnail(path, bytes(damaged), 32)
        except CocoannotError:
            refused += 1
    assert 0 < refused < 150


def test_file_that_can_t_be_read_is_unknown(path: Path) -> None:
    with pytest.raises(UnknownId, match="no picture"):
        render(path, 256)
    path.mkdir()
    with pytest.raises(UnknownId, match="no picture"):
        render(path, 256)
