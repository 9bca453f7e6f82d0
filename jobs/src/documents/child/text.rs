//! A page's text from its glyphs: words and lines by where the glyphs stand.

use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask};
use hayro::kurbo::{Affine, BezPath, Point, Vec2};

use super::picture::pixels;
use super::right_to_left::as_read;

/// Shares of the font size. A gap wider than this parts two words; the narrowest space in common fonts is about 0.2, the widest kerning 0.1.
const WORD_GAP: f64 = 0.16;
/// A baseline that moved by more than this is another line; superscripts move by less.
const LINE_GAP: f64 = 0.5;
/// A baseline that moved by more than this begins another paragraph.
const PARAGRAPH_GAP: f64 = 1.8;
/// A step back by more than this on the same line is another column or table cell, not kerning.
const STEP_BACK: f64 = 1.0;
/// Glyphs are measured in thousandths of the font size.
const UNITS_PER_EM: f64 = 1_000.0;

/// Collects a page's text and counts what else is drawn.
#[derive(Default)]
pub(super) struct PageText {
    text: String,
    /// Where the last glyph ended, and how large it was.
    last: Option<Pen>,
    /// Where the last run of glyphs began.
    last_run: Option<Point>,
    pub(super) images: usize,
    /// Width and height as that image declares them.
    pub(super) largest_image: (u32, u32),
    pub(super) paths: usize,
}

#[derive(Clone, Copy)]
struct Pen {
    end: Point,
    size: f64,
}

impl PageText {
    pub(super) fn words(&self) -> usize {
        self.text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
    }

    /// The text, without spaces at line ends, and with words whole that were parted there.
    pub(super) fn finish(self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for line in self.text.lines() {
            let line = as_read(line.trim_end());
            if goes_on(&text, &line) {
                text.pop();
            } else if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
        }
        text.trim().to_owned()
    }

    fn place(&mut self, letters: &str, transform: Affine, advance: Option<f32>) {
        let [a, b, c, d, ..] = transform.as_coeffs();
        let size = Vec2::new(c, d).hypot() * UNITS_PER_EM;
        let along = Vec2::new(a, b);
        let origin = transform * Point::ZERO;
        // A font that does not tell its widths: half the size is the mean of Latin letters.
        let width = advance.map_or(UNITS_PER_EM / 2.0, f64::from);
        let end = origin + along * width;
        // A page that is not finite anywhere has no text that a person could see.
        if !(size.is_finite() && size > 0.0 && end.is_finite() && along.hypot() > 0.0) {
            return;
        }
        if let Some(last) = self.last {
            self.separate(last, origin, along / along.hypot(), size.max(last.size));
        }
        if !(letters.trim().is_empty() && self.text.ends_with(char::is_whitespace)) {
            for letter in letters.chars() {
                match ligature(letter) {
                    Some(parts) => self.text.push_str(parts),
                    None => self.text.push(if letter.is_control() { ' ' } else { letter }),
                }
            }
        }
        self.last = Some(Pen { end, size });
    }

    /// Writes the space or line break that the distance between two glyphs means. Measured along and across the writing direction, so that
    /// a page turned on its side reads the same.
    fn separate(&mut self, last: Pen, origin: Point, along: Vec2, size: f64) {
        let moved = origin - last.end;
        let forward = moved.dot(along);
        let across = moved.cross(along).abs();
        let separator = if across > PARAGRAPH_GAP * size {
            "\n\n"
        } else if across > LINE_GAP * size || forward < -STEP_BACK * size {
            "\n"
        } else if forward > WORD_GAP * size {
            " "
        } else {
            return;
        };
        if separator == " " && self.text.ends_with(char::is_whitespace) {
            return;
        }
        if separator.starts_with('\n') {
            self.text.truncate(self.text.trim_end_matches(' ').len());
        }
        self.text.push_str(separator);
    }
}

impl<'a> Device<'a> for PageText {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {
        self.paths += 1;
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let Some(first) = run.glyphs().first() else { return };
        let origin = props.transform * first.transform() * Point::ZERO;
        // Text that is filled and stroked comes twice.
        if matches!(mode, DrawMode::Stroke(_)) && self.last_run == Some(origin) {
            return;
        }
        self.last_run = Some(origin);
        for glyph in run.glyphs() {
            let advance = match &**glyph {
                Glyph::Outline(glyph) => glyph.advance_width(),
                Glyph::Type3(glyph) => glyph.advance_width(),
            };
            let transform = props.transform * glyph.transform();
            match glyph.as_unicode() {
                Some(BfString::Char(letter)) => self.place(letter.encode_utf8(&mut [0; 4]), transform, advance),
                Some(BfString::String(letters)) => self.place(&letters, transform, advance),
                // Drawn but unreadable: a page of such glyphs has no words and goes to the vision model as a picture.
                None => self.paths += 1,
            }
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.images += 1;
        let (width, height) = (image.width(), image.height());
        if pixels(width, height) > pixels(self.largest_image.0, self.largest_image.1) {
            self.largest_image = (width, height);
        }
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}

/// Whether a line takes up the word at whose hyphen the one before it ends.
fn goes_on(before: &str, line: &str) -> bool {
    let word = before.strip_suffix(['-', '\u{2010}', '\u{ad}']);
    word.is_some_and(|word| word.ends_with(char::is_alphabetic)) && line.starts_with(char::is_lowercase)
}

/// Letters that print joins and nobody types.
fn ligature(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes words at given places, 10 points large, each letter 5 points wide.
    fn written(placed: &[(f64, f64, &str)]) -> String {
        let mut page = PageText::default();
        for (x, y, word) in placed {
            for (index, letter) in word.chars().enumerate() {
                let transform = Affine::translate((x + 5.0 * index as f64, *y)) * Affine::scale(10.0 / UNITS_PER_EM);
                page.place(&letter.to_string(), transform, Some(500.0));
            }
        }
        page.finish()
    }

    #[test]
    fn gaps_become_spaces_and_new_baselines_become_lines() {
        assert_eq!(
            written(&[(0.0, 100.0, "Dear"), (22.5, 100.0, "Ada"), (0.0, 88.0, "thank"), (0.0, 60.0, "Yours")]),
            "Dear Ada\nthank\n\nYours"
        );
    }

    #[test]
    fn a_word_parted_at_a_line_end_is_whole_again_and_ligatures_are_letters() {
        assert_eq!(written(&[(0.0, 100.0, "speci-"), (0.0, 88.0, "\u{fb01}cation")]), "specification");
        assert_eq!(written(&[(0.0, 100.0, "MC-"), (0.0, 88.0, "2026")]), "MC-\n2026");
        assert_eq!(written(&[(0.0, 100.0, "end-"), (0.0, 60.0, "paragraph")]), "end-\n\nparagraph");
    }

    #[test]
    fn kerning_parts_no_word_and_a_step_back_is_another_cell() {
        assert_eq!(written(&[(0.0, 10.0, "A"), (4.2, 10.0, "V"), (10.0, 10.0, "e")]), "AVe");
        assert_eq!(written(&[(100.0, 10.0, "right"), (0.0, 10.0, "left")]), "right\nleft");
    }
}
