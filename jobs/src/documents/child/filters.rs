//! The filters of PDF streams that unpack, as the reader applies them, into a counter instead of memory.
//!
//! What is damaged gives what it gave before the damage: the reader, too, has unpacked that much before it notices.

use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use hayro::hayro_syntax::Filter;
use weezl::decode::Decoder;
use weezl::{BitOrder, LzwStatus};

const PIECE_BYTES: usize = 65_536;

/// The most bytes that a filter makes of one.
pub(super) fn expansion_max(filter: Filter) -> u64 {
    match filter {
        // A match of 258 bytes takes two bits at least.
        Filter::FlateDecode => 1_032,
        // A code of 12 bits stands for one of 4,096 strings, each at most one byte longer than one before it.
        Filter::LzwDecode => 2_731,
        // Two bytes for a run of 128.
        Filter::RunLengthDecode => 64,
        // `z` for four zeros.
        Filter::Ascii85Decode => 4,
        _ => 1,
    }
}

/// What comes out of one filter: its length, and itself as far as somebody wants it.
pub(super) struct Output {
    bytes: u64,
    /// More than this is too much.
    max: u64,
    /// Here counting ends.
    counted_max: u64,
    kept_max: u64,
    kept: Vec<u8>,
}

impl Output {
    pub(super) fn new(max: u64, counted_max: u64, kept_max: u64) -> Self {
        Self { bytes: 0, max, counted_max, kept_max, kept: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// Whether more is wanted.
    fn take(&mut self, piece: &[u8]) -> bool {
        self.bytes += piece.len() as u64;
        if self.bytes <= self.kept_max {
            self.kept.extend_from_slice(piece);
        } else {
            self.kept = Vec::new();
        }
        self.bytes <= self.counted_max
    }

    fn is_too_much(&self) -> bool {
        self.bytes > self.max
    }

    fn begin_anew(&mut self) {
        self.bytes = 0;
        self.kept.clear();
    }
}

/// Deflate with its header, else without, else the part before the damage: in the order in which the reader tries.
pub(super) fn flate(data: &[u8], output: &mut Output) {
    if inflate(ZlibDecoder::new(data), output) {
        return;
    }
    output.begin_anew();
    let Some(body) = data.get(2..).filter(|_| has_zlib_header(data)) else {
        inflate(DeflateDecoder::new(data), output);
        return;
    };
    if !inflate(DeflateDecoder::new(data), output) {
        output.begin_anew();
        inflate(DeflateDecoder::new(body), output);
    }
}

/// Whether it ended well, or came to too much before it ended.
fn inflate(mut decoder: impl Read, output: &mut Output) -> bool {
    let mut piece = [0; PIECE_BYTES];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return true,
            Ok(length) if output.take(&piece[..length]) => {}
            Ok(_) => return true,
            Err(_) => return output.is_too_much(),
        }
    }
}

fn has_zlib_header(data: &[u8]) -> bool {
    let Some([method, flags]) = data.first_chunk() else { return false };
    method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31) && flags & 0x20 == 0
}

pub(super) fn lzw(data: &[u8], early_change: bool, output: &mut Output) {
    let new = if early_change { Decoder::with_tiff_size_switch } else { Decoder::new };
    let mut decoder = new(BitOrder::Msb, 8);
    let (mut rest, mut piece) = (data, [0; PIECE_BYTES]);
    loop {
        let step = decoder.decode_bytes(rest, &mut piece);
        rest = &rest[step.consumed_in..];
        let moved = step.consumed_in + step.consumed_out > 0;
        if !output.take(&piece[..step.consumed_out]) || !moved || !matches!(step.status, Ok(LzwStatus::Ok)) {
            return;
        }
    }
}

pub(super) fn run_length(data: &[u8], output: &mut Output) {
    const END: u8 = 128;
    let mut rest = data;
    while let [length, following @ ..] = rest {
        let length = *length;
        let more = if length < END {
            let Some((bytes, after)) = following.split_at_checked(usize::from(length) + 1) else { return };
            rest = after;
            output.take(bytes)
        } else {
            let ([byte, after @ ..], true) = (following, length > END) else { return };
            rest = after;
            output.take(&[*byte; 128][..257 - usize::from(length)])
        };
        if !more {
            return;
        }
    }
}

pub(super) fn ascii_hex(data: &[u8], output: &mut Output) {
    let digits = data.iter().take_while(|byte| **byte != b'>').filter(|byte| !is_space(**byte));
    let mut digits = digits.map(|byte| char::from(*byte).to_digit(16));
    while let Some(high) = digits.next() {
        let (Some(high), Some(low)) = (high, digits.next().unwrap_or(Some(0))) else { return };
        if !output.take(&[(high << 4 | low) as u8]) {
            return;
        }
    }
}

pub(super) fn ascii_85(data: &[u8], output: &mut Output) {
    let mut group = Vec::with_capacity(5);
    for byte in data.iter().filter(|byte| !is_space(**byte)) {
        let more = match byte {
            b'!'..=b'u' => {
                group.push(u64::from(byte - b'!'));
                group.len() < 5 || group_of_85(&mut group, output)
            }
            b'z' => group_of_85(&mut group, output) && output.take(&[0; 4]),
            _ => break,
        };
        if !more {
            return;
        }
    }
    group_of_85(&mut group, output);
}

/// Five digits are four bytes; a last group of fewer is as many bytes fewer.
fn group_of_85(group: &mut Vec<u64>, output: &mut Output) -> bool {
    if group.is_empty() {
        return true;
    }
    let bytes = group.len() - 1;
    group.resize(5, 84);
    let number = group.drain(..).fold(0, |number, digit| number * 85 + digit);
    output.take(&(number as u32).to_be_bytes()[..bytes])
}

/// As PDF has them.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}
