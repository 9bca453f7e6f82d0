//! A PDF, page by page: its own text where it has some, a picture of the page where it is a scan.

use hayro::hayro_interpret::{Context, InterpreterCache, InterpreterSettings, interpret_page};
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::kurbo::{Affine, Rect};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::peniko::ImageAlphaType;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use image::{DynamicImage, RgbaImage};

use super::message::{PictureForm, ReadFault, Request};
use super::picture::{self, pixels};
use super::teller::{Content, Teller};
use super::text::PageText;
use super::unpacking;

/// A page with fewer words than this and a picture on it is taken for a scan: page numbers and stamps do not make it text.
const SCAN_WORDS_BELOW: usize = 8;

/// A page is measured in 72nds of an inch.
const POINTS_PER_INCH: f32 = 72.0;

pub(super) fn tell_pages(file: Vec<u8>, request: &Request, teller: &mut Teller<'_>) -> Result<(), ReadFault> {
    let pdf = Pdf::new(file).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ReadFault::PasswordProtected,
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => ReadFault::UnsupportedEncryption,
        other => damaged(&format!("{other:?}")),
    })?;
    let pages = pdf.pages();
    if pages.is_empty() {
        return Err(damaged("it has no pages"));
    }
    teller.open(pages.len())?;
    unpacking::check(&pdf, request.unpacked_max)?;
    let settings = InterpreterSettings::default();
    let cache = InterpreterCache::new();
    for page in pages.iter() {
        teller.page(|| match (look(page, &pdf, &cache, &settings), request.pictures) {
            (Seen::Text(text), _) => Ok(Content::Text(text)),
            (Seen::Blank, _) => Ok(Content::Blank),
            (Seen::Scan { .. }, None) => Ok(Content::Scan),
            (Seen::Scan { largest: (width, height) }, Some(_)) if pixels(width, height) > request.pixels_max => {
                Err(ReadFault::TooManyPixels { width, height, max: request.pixels_max })
            }
            (Seen::Scan { .. }, Some(form)) => paint(page, &settings, form).map(Content::Picture),
        })?;
    }
    Ok(())
}

enum Seen {
    Text(String),
    /// With what the largest picture on it says of its width and height.
    Scan {
        largest: (u32, u32),
    },
    Blank,
}

fn look<'a>(page: &Page<'a>, pdf: &'a Pdf, cache: &InterpreterCache<'a>, settings: &InterpreterSettings) -> Seen {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let mut context = Context::new(Affine::IDENTITY, bounds, cache, pdf.xref(), settings.clone());
    let mut device = PageText::default();
    interpret_page(page, &mut context, &mut device);
    let words = device.words();
    let drawn = device.images > 0 || (words == 0 && device.paths > 0);
    if words < SCAN_WORDS_BELOW && drawn {
        return Seen::Scan { largest: device.largest_image };
    }
    match device.finish() {
        text if text.is_empty() => Seen::Blank,
        text => Seen::Text(text),
    }
}

fn paint(page: &Page<'_>, settings: &InterpreterSettings, form: PictureForm) -> Result<picture::Picture, ReadFault> {
    let (width, height) = page.render_dimensions();
    // A page box may claim millions of points, or none.
    let longest = width.max(height).max(1.0);
    let scale = (form.dots_per_inch as f32 / POINTS_PER_INCH).min(form.side_max as f32 / longest);
    let settings_of_picture =
        PixmapSettings { x_scale: scale.max(1.5 / width.max(0.001)), y_scale: scale.max(1.5 / height.max(0.001)), bg_color: WHITE };
    // A cache of its own: what one scan has in common with the next is not worth keeping for a hundred pages.
    let pixmap = render(page, &RenderCache::new(), settings, &RenderSettings::default(), &settings_of_picture);
    let (width, height) = (u32::from(pixmap.width()), u32::from(pixmap.height()));
    // The background is opaque, so premultiplied and plain colours are the same.
    let rgba = RgbaImage::from_raw(width, height, pixmap.take_rgba8(ImageAlphaType::AlphaPremultiplied));
    let opaque = DynamicImage::ImageRgba8(rgba.ok_or_else(|| damaged("a page has no area"))?);
    let image = if form.grey { DynamicImage::ImageLuma8(opaque.into_luma8()) } else { DynamicImage::ImageRgb8(opaque.into_rgb8()) };
    picture::encode(image, form)
}

fn damaged(detail: &str) -> ReadFault {
    ReadFault::Damaged { file_type: "PDF".to_owned(), detail: detail.to_owned() }
}
