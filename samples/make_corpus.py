"""Makes `handbook.pdf`, a long document, and the files of `corpus/`: healthy ones of every kind that is read, and ones that are damaged or made to do harm.

    python3 -m venv .dev/samples
    .dev/samples/bin/pip install reportlab==5.1.0 pillow==13.0.0 pypdf==7.1.0 cryptography==50.0.2
    .dev/samples/bin/python samples/make_corpus.py

What should become of each file stands in `corpus/outcomes.toml`; a test reads every one of them and compares. The files are committed, so
that no test needs Python. Noise and damage come from a fixed seed; only the encrypted files differ from run to run.
"""

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from PIL import Image, ImageDraw, ImageFont
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject
from reportlab import rl_config
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import letter as letter_size
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, Preformatted, SimpleDocTemplate

OUT = Path(__file__).parent / "corpus"
FONTS = Path(reportlab.__file__).parent / "fonts"
# Free to embed, and it has Hebrew letters. Debian: fonts-dejavu-core.
HEBREW_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
SEED = 2026
LETTER = [
    "Meridian County Benefits Office",
    "We received your request on 4 March 2026.",
    "Your monthly payment changes to 1,284.50 from April.",
    "Please answer within thirty days of this letter.",
    "Yours sincerely, R. Example, case worker",
]

rl_config.invariant = 1


# --- Pictures of a letter ---------------------------------------------------------------------------------


def page_image(width=1000, mode="L", lines=LETTER):
    """The letter as a picture, black on white, large enough for print of ordinary size at 120 dots an inch."""
    image = Image.new("L", (width, width * 7 // 10), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONTS / "Vera.ttf", width // 36)
    for number, line in enumerate(lines):
        draw.text((width // 14, width // 14 + number * width // 12), line, font=font, fill=0)
    return image.convert(mode)


def saved(image, kind, **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, depth, colour, rows, interlaced=False, before=b"", after=b""):
    """A PNG by hand, for what Pillow does not write. `rows` are the filtered rows, all passes together."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows, 9)) + after + chunk(b"IEND", b"")


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_16_bit(image):
    rows = b"".join(b"\0" + b"".join(bytes([v, v]) for v in row) for row in rows_of(image))
    return png(*image.size, 16, 0, rows)


def png_interlaced(image):
    """Adam7: seven passes over every eighth, fourth, second pixel."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    grid = rows_of(image)
    rows = b"".join(b"\0" + bytes(row[x::dx]) for x, y, dx, dy in passes for row in grid[y::dy])
    return png(*image.size, 8, 0, rows, interlaced=True)


def rows_of(image):
    width, height = image.size
    data = image.tobytes()
    return [data[y * width : (y + 1) * width] for y in range(height)]


# --- PDFs by reportlab ------------------------------------------------------------------------------------


def text_pdf(draw, size=(612, 792), pages=1):
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=size)
    for number in range(pages):
        draw(canvas, number)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def letter(canvas, lines=LETTER, font="Regular", x=72, y=700):
    for number, line in enumerate(lines):
        canvas.setFont(font, 12)
        canvas.drawString(x, y - 20 * number, line)


def scan(canvas, image):
    canvas.drawImage(ImageReader(image), 0, 792 - 612 * image.height / image.width, 612, 612 * image.height / image.width)


def mixed(canvas, number):
    if number in (0, 3):
        letter(canvas)
    elif number == 1:
        scan(canvas, page_image(mode="1"))


def two_columns(canvas, _):
    left = "The left column is read from its top to its end before".split()
    right = "anything of the right column, which goes on with the sentence.".split()
    for x, words in ((72, left), (320, right)):
        letter(canvas, [" ".join(words[i : i + 4]) for i in range(0, len(words), 4)], x=x)


def searchable_scan(canvas, _):
    """A scan with its text under it, unseen, as a scanner with OCR writes it."""
    scan(canvas, page_image(mode="1"))
    text = canvas.beginText(72, 700)
    text.setTextRenderMode(3)
    text.setFont("Regular", 12)
    for line in LETTER:
        text.textLine(line)
    canvas.drawText(text)


def form(canvas, _):
    letter(canvas)
    canvas.acroForm.textfield(name="claim", value="MC-2026-004417", x=72, y=500, width=200, height=20, fontSize=11)
    canvas.acroForm.checkbox(name="agree", checked=True, x=72, y=460)


def rewritten(pdf, change=lambda writer: None, **encryption):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf)))
    change(writer)
    if encryption:
        writer.encrypt(**encryption)
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def turned(degrees):
    def change(writer):
        writer.pages[0].rotation = degrees

    return change


def without_to_unicode(writer):
    for font in writer.pages[0]["/Resources"]["/Font"].values():
        font.get_object().pop(NameObject("/ToUnicode"), None)


# --- PDFs by hand -----------------------------------------------------------------------------------------


def pdf(objects, trailer=""):
    """Objects from number 1 on, the first the catalogue; a table of them that is right."""
    out = b"%PDF-1.5\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + (body if isinstance(body, bytes) else body.encode()) + b"\nendobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + table + end.encode()


def stream(body, entries=""):
    return b"<< /Length %d %s >>\nstream\n" % (len(body), entries.encode()) + body + b"\nendstream"


def one_page(content, page="/MediaBox [0 0 612 792]", resources="", more=()):
    """Objects 1 to 5: catalogue, pages, the page, its content (a whole stream object), Helvetica; then more."""
    return pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            f"<< /Type /Page /Parent 2 0 R {page} /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> {resources} >> >>",
            content,
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *more,
        ]
    )


WORDS = b"BT /F1 12 Tf 72 700 Td (These are the ten words that stand on this page.) Tj ET\n"


def zeros(count, byte=b"\0"):
    """That many equal bytes, compressed."""
    press = zlib.compressobj(9)
    block = byte * 1_000_000
    return b"".join(press.compress(block) for _ in range(count // len(block))) + press.flush()


def twice(count, byte=b"\0"):
    return zlib.compress(zeros(count, byte), 9)


def image_page(width, height, filters, data, space="/DeviceGray", bits=8, more=""):
    image = stream(
        data,
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace {space} /BitsPerComponent {bits} /Filter {filters} {more}",
    )
    return one_page(stream(b"q 612 0 0 428 0 300 cm /Im Do Q"), resources="/XObject << /Im 6 0 R >>", more=[image])


def inline_image():
    image = page_image(200, "1")
    data = bytes(255 - b for b in image.tobytes())
    head = f"q 612 0 0 428 0 300 cm BI /W {image.width} /H {image.height} /BPC 1 /CS /G /D [1 0] /F /AHx ID "
    return one_page(stream(head.encode() + data.hex().encode() + b"> EI Q"))


def page_loop():
    return pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Count 2 /Kids [3 0 R 2 0 R] /Parent 3 0 R >>",
            "<< /Type /Pages /Count 2 /Kids [2 0 R 3 0 R 4 0 R] /Parent 2 0 R >>",
            "<< /Type /Page /Parent 3 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << /F1 6 0 R >> >> >>",
            stream(WORDS),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def recursive_form():
    entries = "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /Fm 6 0 R >> /Font << /F1 5 0 R >> >>"
    body = stream(WORDS + b"/Fm Do /Fm Do", entries)
    return one_page(stream(b"/Fm Do"), resources="/XObject << /Fm 6 0 R >>", more=[body])


def page_tree_lies():
    """Ten million pages, says the tree; there is one."""
    return one_page(stream(WORDS)).replace(b"/Count 1", b"/Count 9999999")


def broken_table(whole):
    at = whole.rindex(b"startxref")
    return whole[:at] + b"startxref\n99999999\n%%EOF\n"


# --- Damage -----------------------------------------------------------------------------------------------


def cut(file, share=0.6):
    return file[: int(len(file) * share)]


def flipped(file, count, after=0):
    """Some bits turned over, not in the first bytes, which say what the file is."""
    dice = random.Random(SEED)
    file = bytearray(file)
    for _ in range(count):
        file[dice.randrange(after or 64, len(file))] ^= 1 << dice.randrange(8)
    return bytes(file)


def jpeg_claiming(width, height):
    file = bytearray(saved(page_image(64, "RGB"), "JPEG"))
    at = file.index(b"\xff\xc0")
    file[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def tiff(entries, next_directory=0, data=b""):
    """One directory at 8, little endian; `data` follows it."""
    body = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack("<HHII", tag, kind, count, value)
    return b"II*\0\x08\0\0\0" + body + struct.pack("<I", next_directory) + data


def plain_tiff(width, height, next_directory=0):
    """Grey, uncompressed, in one strip behind the directory."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 122)]
    entries += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, min(width * height, 0xFFFFFFFF))]
    return tiff(entries, next_directory, b"\x80" * 400)


# --- A long document --------------------------------------------------------------------------------------


def handbook():
    """The project's own documentation as an office's software would set it: justified, with headings, code and lists."""
    style = {
        "#": ParagraphStyle("heading", fontName="Regular", fontSize=15, leading=22, spaceBefore=12),
        "-": ParagraphStyle("item", fontName="Times-Roman", fontSize=10, leading=13, leftIndent=14, bulletFontName="Times-Roman"),
        "`": ParagraphStyle("code", fontName="Courier", fontSize=8, leading=10),
        "": ParagraphStyle("text", fontName="Times-Roman", fontSize=10, leading=13, alignment=TA_JUSTIFY, spaceBefore=5),
    }
    flow, in_code = [], False
    for source in sorted((OUT.parent.parent / "docs").glob("*.md")):
        for line in source.read_text().splitlines():
            # The fonts every reader has know Latin letters only.
            line = line.encode("latin-1", "ignore").decode("latin-1")
            if line.startswith("```"):
                in_code = not in_code
            elif in_code:
                flow.append(Preformatted(line, style["`"]))
            elif line.strip():
                kind = line[0] if line[0] in "#-" else ""
                flow.append(Paragraph(escape(line.lstrip("#- ")), style[kind], bulletText="\u2022" if kind == "-" else None))
        flow.append(PageBreak())
    buffer = BytesIO()
    SimpleDocTemplate(buffer, pagesize=letter_size, title="Handbook").build(flow)
    return buffer.getvalue()


def main():
    pdfmetrics.registerFont(TTFont("Regular", FONTS / "Vera.ttf"))
    pdfmetrics.registerFont(TTFont("Hebrew", HEBREW_FONT))
    for name in ("STSong-Light", "HeiseiMin-W3", "HYSMyeongJo-Medium"):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    grey, rgb, bilevel = page_image(), page_image(mode="RGB"), page_image(mode="1")
    text = text_pdf(lambda canvas, _: letter(canvas))
    scanned = text_pdf(lambda canvas, _: scan(canvas, bilevel))
    jpeg = saved(rgb, "JPEG", quality=60)
    upright = Image.Exif()
    upright[0x0112] = 6
    g4 = saved(bilevel, "TIFF", compression="group4")
    cjk = [("STSong-Light", "你的申请已经收到，我们将在三十天内答复。"), ("HeiseiMin-W3", "申請書を受け取りました。三十日以内に返事します。"),
           ("HYSMyeongJo-Medium", "신청서를 받았습니다. 삼십 일 안에 답하겠습니다.")]

    def asian(canvas, _):
        for number, (font, line) in enumerate(cjk):
            letter(canvas, [line], font, y=700 - 40 * number)

    # Hebrew as programs write it: the letters from left to right as they are seen, that is each line from its end.
    hebrew = [line[::-1] for line in ("קיבלנו את בקשתך בארבעה במרץ", "נשיב לך בתוך שלושים יום מהיום")]
    jp2 = saved(rgb.resize((500, 350)), "JPEG2000", quality_mode="rates", quality_layers=[40])

    files = {
        # Healthy PDFs.
        "text.pdf": text,
        "mixed.pdf": text_pdf(mixed, pages=4),
        "two_columns.pdf": text_pdf(two_columns),
        "scan.pdf": scanned,
        "scan_with_text_under_it.pdf": text_pdf(searchable_scan),
        "turned_90.pdf": rewritten(text, turned(90)),
        "turned_180.pdf": rewritten(text, turned(180)),
        "turned_270.pdf": rewritten(scanned, turned(270)),
        "object_streams.pdf": object_streams(),
        "form.pdf": text_pdf(form),
        "asian.pdf": text_pdf(asian),
        "hebrew.pdf": text_pdf(lambda canvas, _: letter(canvas, hebrew, "Hebrew")),
        "no_to_unicode.pdf": rewritten(text, without_to_unicode),
        "fax_inside.pdf": image_page(*bilevel.size, "/CCITTFaxDecode", g4_strip(bilevel), bits=1,
                                     more=f"/DecodeParms << /K -1 /Columns {bilevel.width} /Rows {bilevel.height} >>"),
        "jpeg_2000_inside.pdf": image_page(500, 350, "/JPXDecode", jp2, "/DeviceRGB"),
        "cmyk_jpeg_inside.pdf": image_page(800, 560, "/DCTDecode", saved(page_image(800, "CMYK"), "JPEG", quality=50),
                                           "/DeviceCMYK", more="/Decode [1 0 1 0 1 0 1 0]"),
        "inline_image.pdf": inline_image(),
        "junk_before_the_header.pdf": b"From: scanner@meridian.example\r\n\r\n" + text,
        "blank.pdf": one_page(stream(b"")),
        "owner_rc4.pdf": rewritten(text, user_password="", owner_password="owner", algorithm="RC4-128"),
        "owner_aes_128.pdf": rewritten(text, user_password="", owner_password="owner", algorithm="AES-128"),
        "owner_aes_256.pdf": rewritten(text, user_password="", owner_password="owner", algorithm="AES-256"),
        # Healthy pictures.
        "plain.jpg": jpeg,
        "progressive.jpg": saved(rgb, "JPEG", quality=60, progressive=True),
        "grey.jpg": saved(grey, "JPEG", quality=60),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG", quality=30),
        "on_its_side_by_exif.jpg": saved(rgb.rotate(90, expand=True), "JPEG", quality=60, exif=upright),
        "lying_90.png": saved(page_image(1400, "1").rotate(90, expand=True), "PNG"),
        "lying_180.png": saved(page_image(1400, "1").rotate(180, expand=True), "PNG"),
        "lying_270.png": saved(page_image(1400, "1").rotate(270, expand=True), "PNG"),
        "16_bit.png": png_16_bit(grey),
        "interlaced.png": png_interlaced(grey),
        "palette.png": saved(rgb.quantize(16), "PNG"),
        "alpha.png": saved(Image.merge("LA", (Image.new("L", grey.size, 0), grey.point(lambda v: 255 - v))), "PNG"),
        "fax_g4.tiff": g4,
        "fax_g3.tiff": saved(bilevel, "TIFF", compression="group3"),
        "three_pages.tiff": saved(bilevel, "TIFF", compression="tiff_lzw", save_all=True, append_images=[bilevel, bilevel]),
        "big.tiff": big_tiff(bilevel),
        "deflate.tiff": saved(grey, "TIFF", compression="tiff_adobe_deflate"),
        # Damaged.
        "cut.pdf": cut(scanned, 0.5),
        "cut.jpg": cut(jpeg),
        "cut.png": cut(saved(rgb, "PNG")),
        "cut.tiff": cut(g4),
        "flipped.pdf": flipped(text, 40, after=200),
        "flipped.jpg": flipped(jpeg, 40, after=1_000),
        "flipped.png": flipped(saved(rgb, "PNG"), 10),
        "flipped.tiff": flipped(g4, 10),
        "table_lost.pdf": broken_table(text),
        "no_pages.pdf": pdf(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 0 /Kids [] >>"]),
        "empty": b"",
        "zeros": b"\0" * 1_000,
        # Locked.
        "user_rc4.pdf": rewritten(text, user_password="sample", algorithm="RC4-40"),
        "user_aes_256.pdf": rewritten(text, user_password="sample", algorithm="AES-256"),
        # Mislabelled.
        "word.pdf": b"PK\x03\x04\x14\0\0\0\x08\0" + b"\0" * 16 + b"word/document.xml" + random.Random(SEED).randbytes(200),
        "page.html.pdf": b"<!DOCTYPE html><html><body>Dear Sir or Madam</body></html>",
        "letter.txt.pdf": "\n".join(LETTER).encode(),
        "picture.gif.jpg": saved(page_image(100), "GIF"),
        "picture.webp.png": saved(page_image(100, "RGB"), "WEBP"),
        "picture.bmp.png": saved(page_image(40), "BMP"),
        # Made to do harm.
        "page_loop.pdf": page_loop(),
        "page_tree_lies.pdf": page_tree_lies(),
        "recursive_form.pdf": recursive_form(),
        "deep_nesting.pdf": one_page(stream(WORDS + b"[" * 20_000 + b"]" * 20_000), page="/MediaBox [0 0 612 792] /Deep " + "[" * 20_000 + "]" * 20_000),
        "deep_states.pdf": one_page(stream(b"q " * 30_000 + WORDS)),
        "vast_page.pdf": one_page(stream(b"0 0 1000000 1000000 re f"), page="/MediaBox [0 0 2000000 2000000]"),
        "vast_user_unit.pdf": one_page(stream(b"0 0 1000 1000 re f"), page="/MediaBox [0 0 14400 14400] /UserUnit 100000"),
        "page_without_area.pdf": one_page(stream(b"0 0 10 10 re f"), page="/MediaBox [0 0 0 0]"),
        "page_of_nothings.pdf": one_page(stream(b"0 0 10 10 re f"), page="/MediaBox [0 0 1e38 -1e38]"),
        "flate_bomb.pdf": one_page(stream(twice(4_000_000_000, b" "), "/Filter [/FlateDecode /FlateDecode]")),
        "image_bomb.pdf": image_page(40_000, 40_000, "[/FlateDecode /FlateDecode]", twice(1_600_000_000)),
        "image_of_lies.pdf": image_page(60_000, 60_000, "/FlateDecode", zlib.compress(b"\x80" * 100)),
        "tiling_bomb.pdf": tiling_bomb(),
        "many_curves.pdf": one_page(stream(zlib.compress(b"0 0 m " + b"9 9 700 9 9 700 c " * 1_500_000 + b"S", 9), "/Filter /FlateDecode")),
        "huge.jpg": jpeg_claiming(65_500, 65_500),
        "huge.png": png(60_000, 60_000, 8, 2, b"\0"),
        "huge.tiff": plain_tiff(60_000, 60_000),
        "wide.tiff": plain_tiff(0xFFFFFFFF, 1),
        "bomb.png": png(10, 10, 8, 0, b"\0" * 100_000_000),
        "text_bomb.png": png(10, 10, 8, 0, b"\0" * 110, before=chunk(b"zTXt", b"Comment\0\0" + zeros(100_000_000))),
        "loop.tiff": plain_tiff(20, 20, next_directory=8),
    }
    (OUT.parent / "handbook.pdf").write_bytes(handbook())
    OUT.mkdir(exist_ok=True)
    for name, content in files.items():
        (OUT / name).write_bytes(content)
        print(f"{name:30} {len(content):>8} bytes")
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


def object_streams():
    """Every object but the page's content is packed into a compressed stream, and so is the table (PDF 1.5)."""
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        3: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 6 0 R /Resources << /Font << /F1 4 0 R >> >> >>",
        4: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    bodies, index, at = b"", "", 0
    for number, body in objects.items():
        index += f"{number} {at} "
        bodies += body.encode() + b" "
        at = len(bodies)
    packed = stream(zlib.compress(index.encode() + bodies), f"/Type /ObjStm /N {len(objects)} /First {len(index)} /Filter /FlateDecode")
    out = b"%PDF-1.5\n"
    packed_at = len(out)
    out += b"5 0 obj\n" + packed + b"\nendobj\n"
    content_at = len(out)
    out += b"6 0 obj\n" + stream(WORDS) + b"\nendobj\n"
    table_at = len(out)
    rows = [(0, 0, 255)] + [(2, 5, place) for place in range(4)] + [(1, packed_at, 0), (1, content_at, 0), (1, table_at, 0)]
    table = b"".join(struct.pack(">BIB", *row) for row in rows)
    out += b"7 0 obj\n" + stream(zlib.compress(table), "/Type /XRef /Size 8 /W [1 4 1] /Root 1 0 R /Filter /FlateDecode") + b"\nendobj\n"
    return out + b"startxref\n%d\n%%%%EOF\n" % table_at


def g4_strip(image):
    """The one strip of a TIFF, which is what a PDF holds."""
    with Image.open(BytesIO(saved(image, "TIFF", compression="group4", tiffinfo={278: image.height}))) as opened:
        (at,), (length,) = opened.tag_v2[273], opened.tag_v2[279]
        opened.fp.seek(at)
        return opened.fp.read(length)


def big_tiff(image):
    """The form with 8-byte offsets, which Pillow reads and does not write compressed."""
    strip = g4_strip(image)
    entries = [(256, 4, image.width), (257, 4, image.height), (258, 3, 1), (259, 3, 4), (262, 3, 0), (273, 16, 16 + 8 + 20 * 9 + 8)]
    entries += [(277, 3, 1), (278, 4, image.height), (279, 4, len(strip))]
    directory = struct.pack("<Q", len(entries)) + b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + directory + struct.pack("<Q", 0) + strip


def tiling_bomb():
    """A pattern of tiles a hundredth of a point wide, over the whole page."""
    entries = "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.01 /YStep 0.01 /Resources << >>"
    return one_page(
        stream(b"/Pattern cs /P scn 0 0 612 792 re f"), resources="/Pattern << /P 6 0 R >>", more=[stream(b"0 0 1 1 re f", entries)]
    )


if __name__ == "__main__":
    main()
