//! JPEG, PNG and TIFF: decoded within limits, turned upright, made small enough for the vision model, written anew.
//!
//! Written anew even when small: what leaves the machine is then pixels only, without a camera's place and time, and it has been decoded once.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, Limits, Rgb, RgbImage};

use super::message::{ReadFault, Request};
use super::sniff::FileType;
use super::teller::Teller;
use super::tiff_pages::TiffPages;

/// Longest side of a picture when there are few; the model looks at no more than about 2,000 pixels.
const SIDE_FEW: u32 = 2_000;
/// And when there are many, so that all of them fit into one request; print of ordinary size stays legible.
const SIDE_MANY: u32 = 1_200;
const FEW: usize = 10;

/// 0 to 100; print has no visible artefacts here, at a third of the size of 95.
const JPEG_QUALITY: u8 = 80;

pub(super) struct Picture {
    pub(super) media_type: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes: Vec<u8>,
}

/// The longest side each of that many pictures may have.
pub(super) fn side_max(pictures: usize) -> u32 {
    if pictures <= FEW { SIDE_FEW } else { SIDE_MANY }
}

/// A JPEG or PNG is one page, a TIFF one or more.
pub(super) fn tell_pages(mut file: Vec<u8>, file_type: FileType, request: &Request, teller: &mut Teller<'_>) -> Result<(), ReadFault> {
    if file_type == FileType::Tiff {
        let pages = TiffPages::find(&file).ok_or_else(|| damaged(file_type, "its page directory is broken"))?;
        teller.open(pages.len())?;
        for index in 0..pages.len() {
            pages.turn_to(index, &mut file);
            teller.picture(|| picture_of(&file, file_type, request, side_max(pages.len())))?;
        }
        return Ok(());
    }
    teller.open(1)?;
    teller.picture(|| picture_of(&file, file_type, request, side_max(1)))
}

fn picture_of(file: &[u8], file_type: FileType, request: &Request, side: u32) -> Result<Picture, ReadFault> {
    let input = Cursor::new(file);
    let image = match file_type {
        FileType::Jpeg => decode(JpegDecoder::new(input), request),
        FileType::Png => decode(PngDecoder::new(input), request),
        FileType::Tiff => decode(TiffDecoder::new(input), request),
        FileType::Pdf => unreachable!("a PDF is read by hayro"),
    };
    encode(image.map_err(|error| fault_of(error, file_type))?, side)
}

enum DecodeFault {
    Known(ReadFault),
    Image(ImageError),
}

impl From<ImageError> for DecodeFault {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

fn decode<D: ImageDecoder>(decoder: Result<D, ImageError>, request: &Request) -> Result<DynamicImage, DecodeFault> {
    let mut decoder = decoder?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > request.pixels_max {
        return Err(DecodeFault::Known(ReadFault::TooManyPixels { width, height, max: request.pixels_max }));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(request.memory_bytes);
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn fault_of(fault: DecodeFault, file_type: FileType) -> ReadFault {
    match fault {
        DecodeFault::Known(fault) => fault,
        DecodeFault::Image(ImageError::Limits(_)) => ReadFault::TooMuchMemory,
        DecodeFault::Image(error) => damaged(file_type, &error.to_string()),
    }
}

fn damaged(file_type: FileType, detail: &str) -> ReadFault {
    // A decoder's message may be long; it never needs to be.
    ReadFault::Damaged { file_type: file_type.name().to_owned(), detail: detail.chars().take(200).collect() }
}

/// As a JPEG no larger than `side`, on white where it was transparent.
pub(super) fn encode(image: DynamicImage, side: u32) -> Result<Picture, ReadFault> {
    let image = if image.width().max(image.height()) > side { image.thumbnail(side, side) } else { image };
    let rgb = on_white(image);
    let (width, height) = rgb.dimensions();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(&rgb)
        .map_err(|error| ReadFault::Crashed { at: format!("writing a picture: {error}") })?;
    Ok(Picture { media_type: "image/jpeg", width, height, bytes })
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        let blend = |colour: u8| ((u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha))) / 255) as u8;
        Rgb([blend(r), blend(g), blend(b)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_is_made_smaller_and_a_transparent_one_white() {
        let large = DynamicImage::ImageRgba8(image::RgbaImage::new(3_000, 1_000));
        let picture = encode(large, 1_200).unwrap();
        assert_eq!((picture.width, picture.height), (1_200, 400));
        let back = image::load_from_memory(&picture.bytes).unwrap().to_rgb8();
        assert!(back.get_pixel(600, 200).0.iter().all(|channel| *channel > 250), "transparent did not become white");
    }
}
