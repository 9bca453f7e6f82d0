//! JPEG, PNG and TIFF: decoded within limits, turned upright, made of the form asked for, written anew.
//!
//! Written anew even when small: what leaves the machine is then pixels only, without a camera's place and time, and it has been decoded once.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::error::ImageError;
use image::{DynamicImage, GrayImage, ImageDecoder, Limits, Luma, Rgb, RgbImage};

use super::message::{PictureForm, ReadFault, Request};
use super::sniff::FileType;
use super::teller::{Content, Teller};
use super::tiff_pages::TiffPages;

/// 0 to 100; print has no visible artefacts here, at a third of the size of 95.
const JPEG_QUALITY: u8 = 80;

pub(super) struct Picture {
    pub(super) media_type: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn pixels(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

/// A JPEG or PNG is one page, a TIFF one or more.
pub(super) fn tell_pages(mut file: Vec<u8>, file_type: FileType, request: &Request, teller: &mut Teller<'_>) -> Result<(), ReadFault> {
    if file_type != FileType::Tiff {
        teller.open(1)?;
        return teller.page(|| content(&file, file_type, request));
    }
    let pages = TiffPages::find(&file).ok_or_else(|| damaged(file_type, "its page directory is broken"))?;
    teller.open(pages.len())?;
    for index in 0..pages.len() {
        pages.turn_to(index, &mut file);
        teller.page(|| content(&file, file_type, request))?;
    }
    Ok(())
}

fn content(file: &[u8], file_type: FileType, request: &Request) -> Result<Content, ReadFault> {
    let Some(form) = request.pictures else { return Ok(Content::Scan) };
    let input = Cursor::new(file);
    let image = match file_type {
        FileType::Jpeg => decode(JpegDecoder::new(input), request),
        FileType::Png => decode(PngDecoder::new(input), request),
        FileType::Tiff => decode(TiffDecoder::new(input), request),
        FileType::Pdf => unreachable!("a PDF is read by hayro"),
    };
    encode(image.map_err(|error| fault_of(error, file_type))?, form).map(Content::Picture)
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
    if pixels(width, height) > request.pixels_max {
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
        DecodeFault::Image(error @ ImageError::Unsupported(_)) => {
            ReadFault::UnknownForm { file_type: file_type.name().to_owned(), detail: shortened(&error.to_string()) }
        }
        DecodeFault::Image(error) => damaged(file_type, &error.to_string()),
    }
}

fn damaged(file_type: FileType, detail: &str) -> ReadFault {
    ReadFault::Damaged { file_type: file_type.name().to_owned(), detail: shortened(detail) }
}

/// A decoder's message may be long; it never needs to be.
fn shortened(detail: &str) -> String {
    detail.chars().take(200).collect()
}

/// As a JPEG of that form, on white where it was transparent.
pub(super) fn encode(image: DynamicImage, form: PictureForm) -> Result<Picture, ReadFault> {
    let PictureForm { side_max, grey, .. } = form;
    let image = if image.width().max(image.height()) > side_max { image.thumbnail(side_max, side_max) } else { image };
    let (width, height) = (image.width(), image.height());
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    let written = if grey { encoder.encode_image(&grey_on_white(image)) } else { encoder.encode_image(&on_white(image)) };
    written.map_err(|error| ReadFault::Crashed { at: format!("writing a picture: {error}") })?;
    Ok(Picture { media_type: "image/jpeg", width, height, bytes })
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        Rgb([blend(r, alpha), blend(g, alpha), blend(b, alpha)])
    })
}

fn grey_on_white(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let grey = image.into_luma_alpha8();
    GrayImage::from_fn(grey.width(), grey.height(), |x, y| {
        let [light, alpha] = grey.get_pixel(x, y).0;
        Luma([blend(light, alpha)])
    })
}

/// A channel that lies on white with that opacity.
fn blend(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u16::from(channel), u16::from(alpha));
    ((channel * alpha + 255 * (255 - alpha)) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_is_made_smaller_and_a_transparent_one_white() {
        for grey in [false, true] {
            let large = DynamicImage::ImageRgba8(image::RgbaImage::new(3_000, 1_000));
            let picture = encode(large, PictureForm { dots_per_inch: 300, side_max: 1_200, grey }).unwrap();
            assert_eq!((picture.width, picture.height), (1_200, 400));
            let back = image::load_from_memory(&picture.bytes).unwrap();
            assert_eq!(back.color().has_color(), !grey);
            assert!(back.to_rgb8().get_pixel(600, 200).0.iter().all(|channel| *channel > 250), "transparent did not become white");
        }
    }
}
