# /// script
# requires-python = ">=3.10"
# dependencies = ["reportlab==5.1.0", "pillow==13.0.0"]
# ///
"""Makes the sample documents beside this file, for the demo and the tests.

    python3 -m venv .dev/samples && .dev/samples/bin/pip install reportlab==5.1.0 pillow==13.0.0
    .dev/samples/bin/python samples/make_samples.py

With these versions it writes the same bytes every time: its noise comes from a fixed seed and its PDFs carry no
clock. The results are committed, so that neither the demo nor the tests need Python for them.

The documents are what a user of a benefits app uploads: a letter as the office sent it, the same kind of letter
scanned, photographed and faxed, and two files that cannot be read. The words stand in `letter_texts.py`.
"""

import random
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from reportlab import rl_config
from reportlab.lib import pagesizes, pdfencrypt
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import HRFlowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

import letter_texts

HERE = Path(__file__).parent
SEED = 417

# Bitstream Vera comes with reportlab, may be embedded freely, and is the same on every machine.
FONTS = Path(reportlab.__file__).parent / "fonts"
REGULAR, BOLD = "Vera.ttf", "VeraBd.ttf"

# style: (font, size in points, space above in points)
STYLES = {
    "title": (BOLD, 17, 0),
    "heading": (BOLD, 11, 9),
    "text": (REGULAR, 9.5, 5),
    "item": (REGULAR, 9.5, 4),
    "row": (REGULAR, 9, 4),
    "rule": (REGULAR, 4, 4),
    "small": (REGULAR, 8.5, 3),
}
LINE_HEIGHT = 1.4
COLUMNS = (0.32, 0.36, 0.14, 0.18)

LETTER_INCHES = (8.5, 11)
MARGIN_INCHES = 1.0
PDF_MARGIN = 25 * mm

rl_config.invariant = 1


def main():
    pdfmetrics.registerFont(TTFont("Regular", FONTS / REGULAR))
    pdfmetrics.registerFont(TTFont("Bold", FONTS / BOLD))
    denial = text_pdf(letter_texts.DECISION)
    scan = scanned_pdf(letter_texts.SCANNED)
    files = {
        "denial_letter.pdf": denial,
        "scanned_letter.pdf": scan,
        "letter_photo.jpg": photo(letter_texts.PHOTO),
        "statement.png": png(letter_texts.STATEMENT),
        "fax.tiff": fax(letter_texts.FAX),
        "broken.pdf": broken(scan),
        "encrypted.pdf": text_pdf(letter_texts.DECISION[:1], password="sample"),
    }
    for name, content in files.items():
        (HERE / name).write_bytes(content)
        print(f"{name:20} {len(content):>8} bytes")


def text_pdf(pages, password=None):
    """A letter as the office's own software writes it: real text, embedded fonts, a table."""
    flow = []
    for page in pages:
        rows = []
        for style, content in [*page, ("end", "")]:
            if style == "row":
                rows.append(content)
                continue
            if rows:
                flow += [Spacer(0, 4), pdf_table(rows), Spacer(0, 4)]
                rows = []
            if style == "rule":
                flow.append(HRFlowable(width="100%", spaceBefore=4, spaceAfter=4))
            elif style != "end":
                flow.append(pdf_paragraph(style, content))
        flow.append(PageBreak())
    buffer = BytesIO()
    encrypt = pdfencrypt.StandardEncryption(password, strength=128) if password else None
    document = SimpleDocTemplate(
        buffer,
        pagesize=pagesizes.letter,
        **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), PDF_MARGIN),
        title="Decision on your claim",
        author=letter_texts.OFFICE,
        encrypt=encrypt,
    )
    document.build(flow)
    return buffer.getvalue()


def pdf_paragraph(style, text):
    font, size, above = STYLES[style]
    look = ParagraphStyle(
        style,
        fontName="Bold" if font == BOLD else "Regular",
        fontSize=size,
        leading=size * LINE_HEIGHT,
        spaceBefore=above,
        leftIndent=14 if style == "item" else 0,
        bulletFontName="Regular",
    )
    return Paragraph(escape(text), look, bulletText="•" if style == "item" else None)


def pdf_table(rows):
    cells = [[pdf_paragraph("row", cell) for cell in row] for row in rows]
    # A note that stands alone in its row takes all the columns to its right.
    spans = [("SPAN", (1, i), (3, i)) for i, row in enumerate(rows) if not any(row[2:])]
    width = pagesizes.letter[0] - 2 * PDF_MARGIN
    table = Table(cells, colWidths=[share * width for share in COLUMNS])
    table.setStyle([("LINEBELOW", (0, 0), (-1, 0), 0.8, "black"), ("VALIGN", (0, 0), (-1, -1), "TOP"), *spans])
    return table


def draw_page(page, dpi):
    """The page as a grey image, as a perfect scanner would see it."""
    width, height = (round(inches * dpi) for inches in LETTER_INCHES)
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    left, right = round(MARGIN_INCHES * dpi), width - round(MARGIN_INCHES * dpi)
    y = MARGIN_INCHES * dpi
    for style, content in page:
        name, points, above = STYLES[style]
        font = ImageFont.truetype(FONTS / name, round(points * dpi / 72))
        line = points * LINE_HEIGHT * dpi / 72
        y += above * dpi / 72
        if style == "rule":
            draw.line((left, y, right, y), fill=0, width=max(1, dpi // 80))
            y += line
        elif style == "row":
            x = left
            for cell, share in zip(content, COLUMNS):
                draw.text((x, y), cell, font=font, fill=0)
                x += share * (right - left)
            y += line
        else:
            indent = round(0.2 * dpi) if style == "item" else 0
            if indent:
                draw.text((left, y), "•", font=font, fill=0)
            for words in wrap(content, font, right - left - indent):
                draw.text((left + indent, y), words, font=font, fill=0)
                y += line
    return image


def wrap(text, font, width):
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            line = word
        else:
            line = longer
    yield line


def grain(size, strength, seed):
    """A grey image around the middle, with the noise of a sensor. `strength` is its greatest distance from 128."""
    width, height = size
    noise = Image.frombytes("L", size, random.Random(seed).randbytes(width * height))
    return noise.filter(ImageFilter.GaussianBlur(0.7)).point(lambda v: round(128 + (v - 128) / 128 * strength))


def scanned_pdf(pages):
    """Pages that are nothing but pictures: a little turned, greyish, noisy, as an office scanner gives them."""
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=pagesizes.letter)
    for number, page in enumerate(pages):
        image = draw_page(page, dpi=150)
        image = image.rotate((0.9, -1.3)[number % 2], resample=Image.Resampling.BICUBIC, fillcolor=255)
        image = image.filter(ImageFilter.GaussianBlur(0.6)).point(lambda v: 28 + v * 212 // 255)
        image = ImageChops.add(image, grain(image.size, 26, SEED + number), scale=1, offset=-128)
        jpeg = BytesIO()
        image.save(jpeg, "JPEG", quality=38, dpi=(150, 150))
        canvas.drawImage(ImageReader(jpeg), 0, 0, *pagesizes.letter)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def photo(page):
    """A letter on a table, photographed by hand from the side, with the photographer's shadow on it."""
    sheet = draw_page(page, dpi=130)
    size = width, height = 1200, 1600
    corners = [(150, 170), (1040, 110), (1130, 1430), (70, 1500)]
    coefficients = perspective(corners, [(0, 0), (sheet.width, 0), sheet.size, (0, sheet.height)])

    def seen(image):
        return image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)

    table = Image.merge("RGB", [wood(size, tone) for tone in (122, 88, 62)])
    paper = Image.merge("RGB", [seen(sheet).point(lambda v, top=top: 18 + v * (top - 18) // 255) for top in (240, 234, 218)])
    picture = Image.composite(paper, table, seen(Image.new("L", sheet.size, 255)))

    shadow = Image.new("L", size, 255)
    ImageDraw.Draw(shadow).polygon([(650, height), (760, 820), (1010, 640), (width, 700), (width, height)], fill=150)
    light = ImageChops.multiply(
        shadow.filter(ImageFilter.GaussianBlur(60)),
        Image.linear_gradient("L").resize(size).transpose(Image.Transpose.FLIP_TOP_BOTTOM).point(lambda v: 185 + v * 70 // 255),
    )
    picture = ImageChops.multiply(picture, Image.merge("RGB", [light] * 3)).filter(ImageFilter.GaussianBlur(0.8))
    picture = ImageChops.add(picture, Image.merge("RGB", [grain(size, 9, SEED + i) for i in range(3)]), scale=1, offset=-128)
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=62)
    return buffer.getvalue()


def wood(size, tone):
    """Streaks along the width, all three colours from the same seed so that they stay brown."""
    streaks = random.Random(SEED).randbytes(size[1] // 4)
    return (
        Image.frombytes("L", (1, size[1] // 4), streaks)
        .resize(size, Image.Resampling.BICUBIC)
        .point(lambda v: tone - 14 + v * 28 // 255)
    )


def perspective(seen, real):
    """The eight numbers that Pillow wants, from where each corner is seen to where it really is."""
    rows = []
    for (x, y), (u, v) in zip(seen, real):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for i in range(8):
        pivot = max(range(i, 8), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(8):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i])]
    return [row[8] for row in rows]


def png(page):
    """A picture without noise, as a screenshot is. Sixteen greys are enough for it."""
    image = draw_page(page, dpi=110)
    image = image.crop((0, 0, image.width, round(image.height * 0.62))).quantize(16)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def fax(pages):
    """Three black and white pages in one TIFF, compressed as faxes are, with the machine's line at the top."""
    images = []
    for number, page in enumerate(pages, start=1):
        image = draw_page(page, dpi=200).resize((1728, 2200), Image.Resampling.LANCZOS)
        header = f"21 JUL 2026 10:42   MERIDIAN CLINIC RECORDS   555 0103   PAGE {number:02}/{len(pages):02}"
        ImageDraw.Draw(image).text((60, 24), header, font=ImageFont.truetype(FONTS / REGULAR, 24), fill=0)
        # Specks of dust on the glass.
        specks = random.Random(SEED + number)
        for _ in range(60):
            x, y = specks.randrange(1728), specks.randrange(2200)
            ImageDraw.Draw(image).rectangle((x, y, x + specks.randrange(3), y + specks.randrange(3)), fill=0)
        images.append(image.point(lambda v: 255 if v > 140 else 0).convert("1"))
    buffer = BytesIO()
    images[0].save(
        buffer, "TIFF", compression="group4", dpi=(204, 196), save_all=True, append_images=images[1:]
    )
    return buffer.getvalue()


def broken(pdf):
    """An upload that was cut off in the middle of the first page's picture: not one page is left to find."""
    picture = pdf.index(b"/Subtype /Image")
    stream = pdf.index(b"stream", picture)
    head = pdf[: pdf.index(b"\n", 0) + 1]
    start = pdf.rindex(b" obj", 0, picture) - 1
    return head + pdf[start : stream + 20_000]


if __name__ == "__main__":
    main()
