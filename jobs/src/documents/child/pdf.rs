//! A PDF, page by page: its own text where it has some, a picture of the page where it is a scan.

use hayro::hayro_interpret::{Context, InterpreterCache, InterpreterSettings, interpret_page};
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::kurbo::{Affine, Rect};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::peniko::ImageAlphaType;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use image::{DynamicImage, RgbaImage};

use super::message::ReadFault;
use super::picture::{self, side_max};
use super::teller::Teller;
use super::text::PageText;

/// A page with fewer words than this and a picture on it is taken for a scan: page numbers and stamps do not make it text.
const SCAN_WORDS_BELOW: usize = 8;

/// Pictures of scans are made at this resolution, unless that is larger than the side allowed. A page is measured in 72nds of an inch.
const SCAN_DOTS_PER_INCH: f32 = 200.0;

pub(super) fn tell_pages(file: Vec<u8>, teller: &mut Teller<'_>) -> Result<(), ReadFault> {
    let pdf = Pdf::new(file).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ReadFault::PasswordProtected,
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => ReadFault::UnsupportedEncryption,
        other => ReadFault::Damaged { file_type: "PDF".to_owned(), detail: format!("{other:?}") },
    })?;
    let pages = pdf.pages();
    teller.open(pages.len())?;
    // Text first, for all pages: it is quick, and tells how many pictures there will be and so how large each may become.
    let settings = InterpreterSettings::default();
    let cache = InterpreterCache::new();
    let seen: Vec<Seen> = pages.iter().map(|page| look(page, &pdf, &cache, &settings)).collect();
    let side = side_max(seen.iter().filter(|seen| matches!(seen, Seen::Scan)).count());
    let render_cache = RenderCache::new();
    for (page, seen) in pages.iter().zip(seen) {
        match seen {
            Seen::Text(text) => teller.text(&text),
            Seen::Blank => teller.blank(),
            Seen::Scan => teller.picture(|| paint(page, &render_cache, &settings, side))?,
        }
    }
    Ok(())
}

enum Seen {
    Text(String),
    Scan,
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
        return Seen::Scan;
    }
    match device.finish() {
        text if text.is_empty() => Seen::Blank,
        text => Seen::Text(text),
    }
}

fn paint<'a>(
    page: &'a Page<'a>,
    cache: &RenderCache<'a>,
    settings: &InterpreterSettings,
    side: u32,
) -> Result<picture::Picture, ReadFault> {
    let (width, height) = page.render_dimensions();
    // A page box may claim millions of points, or none.
    let longest = width.max(height).max(1.0);
    let scale = (SCAN_DOTS_PER_INCH / 72.0).min(side as f32 / longest);
    let settings_of_picture =
        PixmapSettings { x_scale: scale.max(1.5 / width.max(0.001)), y_scale: scale.max(1.5 / height.max(0.001)), bg_color: WHITE };
    let pixmap = render(page, cache, settings, &RenderSettings::default(), &settings_of_picture);
    let (width, height) = (u32::from(pixmap.width()), u32::from(pixmap.height()));
    // The background is opaque, so premultiplied and plain colours are the same.
    let rgba = RgbaImage::from_raw(width, height, pixmap.take_rgba8(ImageAlphaType::AlphaPremultiplied));
    let rgba = rgba.ok_or_else(|| ReadFault::Damaged { file_type: "PDF".to_owned(), detail: "a page has no area".to_owned() })?;
    picture::encode(DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(rgba).into_rgb8()), side)
}
