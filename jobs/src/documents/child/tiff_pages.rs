//! Where the pages of a TIFF are. The decoder reads the first page only, so each page is made the first in turn.

use std::collections::HashSet;

/// A chain longer than this is no document; counting stops here.
const PAGES_COUNTED_MAX: usize = 100_000;

/// The offset of each page's directory.
pub(super) struct TiffPages {
    offsets: Vec<u64>,
    layout: Layout,
}

#[derive(Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// BigTIFF: 8-byte offsets.
    big: bool,
}

impl TiffPages {
    /// Walks the chain of directories; `None` when it is broken, runs in a circle or is empty.
    pub(super) fn find(file: &[u8]) -> Option<Self> {
        let big_endian = file.starts_with(b"MM");
        let layout = Layout { big_endian, big: matches!(file.get(2..4)?, [0, 43] | [43, 0]) };
        let mut offsets = Vec::new();
        let mut seen = HashSet::new();
        let mut next = layout.offset(file, layout.first_at())?;
        while next != 0 && offsets.len() < PAGES_COUNTED_MAX {
            if !seen.insert(next) {
                return None;
            }
            offsets.push(next);
            next = layout.offset(file, layout.after_entries(file, next)?)?;
        }
        (!offsets.is_empty()).then_some(Self { offsets, layout })
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Makes that page the first of the file, by the one number in its header that says so.
    pub(super) fn turn_to(&self, index: usize, file: &mut [u8]) {
        let offset = self.offsets[index];
        let at = self.layout.first_at() as usize;
        let width = self.layout.offset_bytes();
        let bytes = if self.layout.big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
        let significant = if self.layout.big_endian { &bytes[8 - width..] } else { &bytes[..width] };
        file[at..at + width].copy_from_slice(significant);
    }
}

impl Layout {
    fn first_at(self) -> u64 {
        if self.big { 8 } else { 4 }
    }

    fn offset_bytes(self) -> usize {
        if self.big { 8 } else { 4 }
    }

    fn offset(self, file: &[u8], at: u64) -> Option<u64> {
        self.number(file, at, self.offset_bytes())
    }

    /// Just past a directory's entries, where the next directory's offset stands.
    fn after_entries(self, file: &[u8], directory: u64) -> Option<u64> {
        let (count_bytes, entry_bytes) = if self.big { (8, 20) } else { (2, 12) };
        let count = self.number(file, directory, count_bytes)?;
        directory.checked_add(count_bytes as u64)?.checked_add(count.checked_mul(entry_bytes)?)
    }

    fn number(self, file: &[u8], at: u64, width: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = file.get(at..at.checked_add(width)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little endian, directories without entries at 8 and 16.
    fn two_pages() -> Vec<u8> {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend_from_slice(&[0, 0, 16, 0, 0, 0, 0, 0]);
        file.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        file
    }

    #[test]
    fn every_page_is_found_and_can_be_made_the_first() {
        let mut file = two_pages();
        let pages = TiffPages::find(&file).unwrap();
        assert_eq!(pages.offsets, [8, 16]);
        pages.turn_to(1, &mut file);
        assert_eq!(TiffPages::find(&file).unwrap().offsets, [16]);
    }

    #[test]
    fn a_circle_and_a_cut_file_are_refused() {
        let mut circle = two_pages();
        circle[18] = 8;
        assert!(TiffPages::find(&circle).is_none());
        assert!(TiffPages::find(&two_pages()[..20]).is_none());
        assert!(TiffPages::find(b"II*\0\0\0\0\0").is_none());
    }
}
