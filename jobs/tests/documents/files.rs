//! Files made by the tests.

use std::io::{Cursor, Write};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A PDF with a page of text for each item.
pub(crate) fn text_pdf(pages: &[&str]) -> Vec<u8> {
    pdf(pages, "")
}

/// A PDF with a page whose content, or whatever else draws it, is these bytes, packed as the entries say.
pub(crate) fn packed_pdf(entries: &str, packed: &[u8]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n".to_vec();
    file.extend_from_slice(b"2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] /MediaBox [0 0 612 792] >>\nendobj\n");
    let what = if entries.contains("/Image") { "/Resources << /XObject << /Im 5 0 R >> >> /Contents 4 0 R" } else { "/Contents 5 0 R" };
    file.extend_from_slice(format!("3 0 obj\n<< /Type /Page /Parent 2 0 R {what} >>\nendobj\n").as_bytes());
    file.extend_from_slice(b"4 0 obj\n<< /Length 29 >>\nstream\nq 612 0 0 792 0 0 cm /Im Do Q\nendstream\nendobj\n");
    file.extend_from_slice(format!("5 0 obj\n<< /Length {} {entries} >>\nstream\n", packed.len()).as_bytes());
    file.extend_from_slice(packed);
    // A reader that finds no table of objects looks for them.
    file.extend_from_slice(b"\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n");
    file
}

/// That many spaces.
pub(crate) fn deflated(count: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; count]).unwrap();
    encoder.finish().unwrap()
}

/// A PDF that demands a password. Its encryption dictionary belongs to no password at all, which is how a wrong one looks.
pub(crate) fn locked_pdf() -> Vec<u8> {
    let nothing = "00".repeat(32);
    let entry = format!("/Encrypt << /Filter /Standard /V 1 /R 2 /O <{nothing}> /U <{nothing}> /P -4 >> /ID [<00> <00>]");
    pdf(&["secret"], &entry)
}

fn pdf(pages: &[&str], trailer_entry: &str) -> Vec<u8> {
    let mut objects = vec![String::new(), String::new(), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned()];
    let mut kids = Vec::new();
    for page in pages {
        let lines: String = page.lines().map(|line| format!("({line}) Tj T* ")).collect();
        let content = format!("BT /F1 12 Tf 14 TL 72 720 Td {lines}ET");
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
        let contents = objects.len();
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {contents} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        kids.push(format!("{} 0 R", objects.len()));
    }
    objects[0] = "<< /Type /Catalog /Pages 2 0 R >>".to_owned();
    objects[1] = format!("<< /Type /Pages /Count {} /Kids [{}] >>", kids.len(), kids.join(" "));
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(file.len());
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table_at = file.len();
    let table: String = offsets.iter().map(|offset| format!("{offset:010} 00000 n \n")).collect();
    let size = objects.len() + 1;
    file.push_str(&format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer_entry} >>\nstartxref\n{table_at}\n%%EOF\n"
    ));
    file.into_bytes()
}

pub(crate) fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 90]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image).write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A PNG of a few bytes whose header claims that size.
pub(crate) fn claiming_png(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [header, b"IDAT\x78\x9c\x03\x00\x00\x00\x00\x01".to_vec(), b"IEND".to_vec()] {
        file.extend_from_slice(&((chunk.len() - 4) as u32).to_be_bytes());
        file.extend_from_slice(&chunk);
        file.extend_from_slice(&crc32(&chunk).to_be_bytes());
    }
    file
}

/// As PNG demands it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Three faxed pages, the second compressed in a way that nobody knows.
pub(crate) fn tiff_with_a_bad_second_page(mut file: Vec<u8>) -> Vec<u8> {
    const COMPRESSION: u16 = 259;
    let short = |file: &[u8], at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    let long = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert!(file.starts_with(b"II"));
    let first = long(&file, 4);
    let second = long(&file, first + 2 + 12 * usize::from(short(&file, first)));
    let entries = usize::from(short(&file, second));
    let entry = (0..entries).map(|index| second + 2 + 12 * index).find(|at| short(&file, *at) == COMPRESSION).unwrap();
    file[entry + 8..entry + 10].copy_from_slice(&9_999_u16.to_le_bytes());
    file
}
