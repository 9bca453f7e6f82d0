//! How many tokens a question will take, before it is asked: rather too many than too few.

use std::io::Cursor;

use super::{Part, Question};

/// A token of the models in use is at least three bytes of text in nearly every language.
const BYTES_PER_TOKEN: usize = 3;
/// For roles, separators and the like.
const FRAME_TOKENS: u64 = 50;

/// Pictures in patches of 32 pixels, and what a patch costs, by the beginning of the model's name.
const PATCHED: [(&str, f64); 6] =
    [("gpt-4.1-mini", 1.62), ("gpt-4.1-nano", 2.46), ("gpt-5-mini", 1.62), ("gpt-5-nano", 2.46), ("o4-mini", 1.72), ("codex-mini", 1.72)];
const PATCHES_MAX: u64 = 1_536;

/// Pictures in tiles of 512 pixels: for the picture, and for each tile.
const TILED: [(&str, u64, u64); 4] = [("gpt-4o-mini", 2_833, 5_667), ("gpt-5", 70, 140), ("o1", 75, 150), ("o3", 75, 150)];
const TILED_OTHERWISE: (u64, u64) = (85, 170);

impl Question {
    /// Input tokens that it is not going to exceed, for a model of that name.
    pub fn input_tokens(&self, model: &str) -> u64 {
        let text = |bytes: usize| bytes.div_ceil(BYTES_PER_TOKEN) as u64;
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(shown) => text(shown.len()),
            Part::Picture { bytes, .. } => picture(bytes, model),
        });
        FRAME_TOKENS + text(self.instructions.len()) + text(self.schema.to_string().len()) + parts.sum::<u64>()
    }
}

/// By the size that its own header tells; one that cannot be read costs the most.
fn picture(bytes: &[u8], model: &str) -> u64 {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    let (width, height) = reader.and_then(|reader| reader.into_dimensions().ok()).unwrap_or((u32::MAX, u32::MAX));
    of_size(f64::from(width.max(1)), f64::from(height.max(1)), model)
}

fn of_size(width: f64, height: f64, model: &str) -> u64 {
    if let Some((_, factor)) = PATCHED.iter().find(|(prefix, _)| model.starts_with(prefix)) {
        let patches = ((width / 32.0).ceil() * (height / 32.0).ceil()).min(PATCHES_MAX as f64);
        return (patches * factor).ceil() as u64;
    }
    let (base, tile) =
        TILED.iter().find(|(prefix, ..)| model.starts_with(prefix)).map_or(TILED_OTHERWISE, |(_, base, tile)| (*base, *tile));
    // First into a square of 2,048 pixels, then to 768 on the shorter side; never made larger.
    let fit = (2_048.0 / width.max(height)).min(1.0);
    let (width, height) = (width * fit, height * fit);
    let fit = (768.0 / width.min(height)).min(1.0);
    let tiles = ((width * fit / 512.0).ceil() * (height * fit / 512.0).ceil()) as u64;
    base + tile * tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the provider's guide to vision, with its own examples.
    #[test]
    fn pictures_cost_what_the_guide_says() {
        assert_eq!(of_size(1024.0, 1024.0, "gpt-4o"), 765);
        assert_eq!(of_size(2048.0, 4096.0, "gpt-4.1"), 1_105);
        assert_eq!(of_size(1024.0, 1024.0, "gpt-4.1-mini-2025-04-14"), 1_659);
        assert_eq!(of_size(1800.0, 2400.0, "gpt-4.1-mini"), 2_489, "more than 1,536 patches");
        assert_eq!(of_size(100.0, 100.0, "gpt-4o-mini"), 8_500);
    }

    #[test]
    fn text_counts_by_its_bytes_and_a_picture_that_cannot_be_read_the_most() {
        let schema = serde_json::json!({});
        let parts = vec![Part::Text("x".repeat(300)), Part::Picture { media_type: "image/png".into(), bytes: b"not one".to_vec() }];
        let question = Question { instructions: "abc".into(), parts, schema_name: "n", schema, output_tokens_max: 9 };
        assert_eq!(question.input_tokens("gpt-4.1-mini"), 50 + 1 + 1 + 100 + 2_489);
    }
}
