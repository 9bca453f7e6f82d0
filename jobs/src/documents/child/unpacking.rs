//! How much the streams of a PDF unpack to, found out before a page is read. What comes out is counted, not kept.
//!
//! A filter can make only so much of a byte, so a stream that is short enough is passed by: nearly all are. What a picture's own filter
//! (JPEG, fax) gives is bounded by its pixels and not counted here. Streams that the reader unpacks to find its objects at all, and pictures
//! inside a page's content, are left to the limit of memory.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro::hayro_syntax::object::dict::keys::{DECODE_PARMS, DP, EARLY_CHANGE};
use hayro::hayro_syntax::object::{Array, Dict, Object, Stream};
use hayro::hayro_syntax::{Filter, Pdf};

use super::filters::{self, Output};
use super::message::ReadFault;

/// Beyond the limit it is counted on, to tell the owner how much it is, up to this many times the limit: some bombs have no end.
const COUNTED_MAX: u64 = 4;

/// # Errors
/// When a stream, after any of its filters, is longer than that many bytes.
pub(super) fn check(pdf: &Pdf, max: u64) -> Result<(), ReadFault> {
    let mut objects = pdf.objects().into_iter();
    let mut check_next = || match objects.next()? {
        Object::Stream(stream) => Some(check_stream(&stream, max)),
        _ => Some(Ok(())),
    };
    // An object that the parser stumbles over fails the page that needs it, if one does, and not the file.
    while let Some(checked) = catch_unwind(AssertUnwindSafe(&mut check_next)).unwrap_or(Some(Ok(()))) {
        checked?;
    }
    Ok(())
}

fn check_stream(stream: &Stream<'_>, max: u64) -> Result<(), ReadFault> {
    let expansion = chain(stream).iter().fold(1, |product: u64, filter| product.saturating_mul(filters::expansion_max(*filter)));
    if expansion == 1 {
        return Ok(());
    }
    let packed = stream.raw_data();
    if (packed.len() as u64).saturating_mul(expansion) <= max {
        return Ok(());
    }
    let (longest, counted_max) = (unpack(stream, packed, max), max.saturating_mul(COUNTED_MAX));
    if longest > max {
        return Err(ReadFault::UnpacksTooLarge { bytes: longest.min(counted_max), and_more: longest > counted_max, max });
    }
    Ok(())
}

/// The filters of a stream, up to that of a picture, which is the last wherever it makes sense.
fn chain(stream: &Stream<'_>) -> Vec<Filter> {
    let of_pictures =
        |filter: &Filter| matches!(filter, Filter::DctDecode | Filter::JpxDecode | Filter::Jbig2Decode | Filter::CcittFaxDecode);
    stream.filters().into_iter().take_while(|filter| !of_pictures(filter)).collect()
}

/// The most bytes that any of a stream's filters gives. What one gives is kept only for the next, which needs it.
fn unpack(stream: &Stream<'_>, packed: Cow<'_, [u8]>, max: u64) -> u64 {
    let chain = chain(stream);
    let (mut longest, mut data) = (0, packed);
    for (place, filter) in chain.iter().enumerate() {
        let kept_max = if place + 1 == chain.len() { 0 } else { max };
        let mut output = Output::new(max, max.saturating_mul(COUNTED_MAX), kept_max);
        match filter {
            Filter::FlateDecode => filters::flate(&data, &mut output),
            Filter::LzwDecode => filters::lzw(&data, changes_early(stream, place), &mut output),
            Filter::RunLengthDecode => filters::run_length(&data, &mut output),
            Filter::Ascii85Decode => filters::ascii_85(&data, &mut output),
            Filter::AsciiHexDecode => filters::ascii_hex(&data, &mut output),
            _ => continue,
        }
        longest = longest.max(output.bytes());
        if longest > max {
            break;
        }
        data = Cow::Owned(output.into_kept());
    }
    longest
}

/// Whether the codes of that filter (LZW) grow one entry before they must, as they do unless the file says otherwise.
fn changes_early(stream: &Stream<'_>, place: usize) -> bool {
    let dict = stream.dict();
    let one = || dict.get::<Dict<'_>>(DP).or_else(|| dict.get::<Dict<'_>>(DECODE_PARMS));
    let of_each = || dict.get::<Array<'_>>(DP).or_else(|| dict.get::<Array<'_>>(DECODE_PARMS));
    let parameters = one().or_else(|| of_each()?.iter::<Object<'_>>().nth(place)?.into_dict());
    parameters.and_then(|parameters| parameters.get::<u8>(EARLY_CHANGE)) != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PDF of one blank page that besides has these streams: their entries and their bytes.
    fn pdf(streams: &[(&str, Vec<u8>)]) -> Pdf {
        let mut file = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n".to_vec();
        file.extend_from_slice(b"2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n");
        file.extend_from_slice(b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\n");
        for (number, (entries, bytes)) in (4..).zip(streams) {
            file.extend_from_slice(format!("{number} 0 obj\n<< /Length {} {entries} >>\nstream\n", bytes.len()).as_bytes());
            file.extend_from_slice(bytes);
            file.extend_from_slice(b"\nendstream\nendobj\n");
        }
        file.extend_from_slice(b"trailer\n<< /Root 1 0 R >>\n");
        Pdf::new(file).unwrap()
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn lzw(bytes: &[u8], early: bool) -> Vec<u8> {
        use weezl::{BitOrder, encode::Encoder};
        let encoder = if early { Encoder::with_tiff_size_switch } else { Encoder::new };
        encoder(BitOrder::Msb, 8).encode(bytes).unwrap()
    }

    fn hex(bytes: &[u8]) -> Vec<u8> {
        [hex::encode(bytes).as_bytes(), b">"].concat()
    }

    /// Runs of equal bytes, as RunLengthDecode has them.
    fn runs(count: usize) -> Vec<u8> {
        [[129, b' '].repeat(count), vec![128]].concat()
    }

    fn every_form() -> Vec<(&'static str, Vec<u8>)> {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        let mut damaged = deflated(&text);
        let middle = damaged.len() / 2;
        damaged.truncate(middle);
        vec![
            ("", text.clone()),
            ("/Filter /FlateDecode", deflated(&text)),
            ("/Filter /FlateDecode", deflated(&text)[2..].to_vec()),
            ("/Filter /FlateDecode", damaged),
            ("/Filter [/AHx /Fl]", hex(&deflated(&text))),
            ("/Filter [/FlateDecode /FlateDecode]", deflated(&deflated(&text))),
            ("/Filter /LZWDecode", lzw(&text, true)),
            ("/Filter /LZWDecode /DecodeParms << /EarlyChange 0 >>", lzw(&text, false)),
            ("/Filter [/Fl /LZW] /DecodeParms [null << /EarlyChange 0 >>]", deflated(&lzw(&text, false))),
            ("/Filter /RunLengthDecode", runs(3_000)),
            ("/Filter /RunLengthDecode", [&[2, b'a', b'b', b'c'][..], &runs(2)].concat()),
            ("/Filter [/ASCII85Decode /RunLengthDecode]", b"<~!<N?+!!*-'z!<<~>"[2..].to_vec()),
            ("/Filter [/Fl /DCTDecode]", deflated(b"no picture")),
        ]
    }

    #[test]
    fn what_is_counted_is_what_the_reader_gets() {
        let forms = every_form();
        let pdf = pdf(&forms);
        for (number, (entries, bytes)) in (4..).zip(&forms) {
            let id = hayro::hayro_syntax::object::ObjectIdentifier::new(number, 0);
            let stream = pdf.xref().get::<Stream<'_>>(id).unwrap();
            assert_eq!(*stream.raw_data(), **bytes, "{entries}");
            let counted = unpack(&stream, stream.raw_data(), u64::MAX);
            let Ok(read) = stream.decoded_data() else {
                assert_eq!(counted, 10, "{entries}");
                continue;
            };
            let expected = if chain(&stream).is_empty() { 0 } else { read.len() as u64 };
            // Of two filters the first may give more than the last.
            assert!(if entries.contains('[') { counted >= expected } else { counted == expected }, "{entries}: {counted} of {expected}");
            assert!(expected as u128 <= bytes.len() as u128 * u128::from(filters::expansion_max(Filter::LzwDecode)).pow(2), "{entries}");
        }
        assert_eq!(check(&pdf, 10_000_000), Ok(()));
    }

    #[test]
    fn a_bomb_is_told_by_what_it_unpacks_to_as_far_as_that_is_counted() {
        let max = 1_000_000;
        let zeros = |count: usize| vec![0; count];
        let too_large = |bytes, and_more| Err(ReadFault::UnpacksTooLarge { bytes, and_more, max });
        let all_there_is = |streams: &[(&str, Vec<u8>)]| check(&pdf(streams), max);
        assert_eq!(all_there_is(&[("/Filter /FlateDecode", deflated(&zeros(1_000_000)))]), Ok(()));
        assert_eq!(all_there_is(&[("/Filter /FlateDecode", deflated(&zeros(1_000_001)))]), too_large(1_000_001, false));
        assert_eq!(all_there_is(&[("/Filter /LZWDecode", lzw(&zeros(2_000_000), true))]), too_large(2_000_000, false));
        assert_eq!(all_there_is(&[("/Filter /RunLengthDecode", runs(7_812))]), Ok(()));
        assert_eq!(all_there_is(&[("/Filter /RunLengthDecode", runs(7_813))]), too_large(1_000_064, false));
        let nested = deflated(&deflated(&zeros(3_000_000)));
        assert_eq!(all_there_is(&[("/Filter [/FlateDecode /FlateDecode]", nested.clone())]), too_large(3_000_000, false));
        assert_eq!(all_there_is(&[("/Filter [/AHx /Fl /Fl]", hex(&nested))]), too_large(3_000_000, false));
        // The first of two filters is one, too: the second is content with the beginning.
        let hidden = deflated(&[deflated(b"little"), zeros(3_000_000)].concat());
        assert!(matches!(all_there_is(&[("/Filter [/Fl /Fl]", hidden)]), Err(ReadFault::UnpacksTooLarge { bytes: 3_000_001.., .. })));
        // One that breaks off has been unpacked until there.
        let mut broken = deflated(&zeros(3_000_000));
        broken.truncate(2_000);
        assert!(matches!(all_there_is(&[("/Filter /FlateDecode", broken)]), Err(ReadFault::UnpacksTooLarge { .. })));
        assert_eq!(all_there_is(&[("/Filter /FlateDecode", deflated(&zeros(9_000_000)))]), too_large(4_000_000, true));
    }
}
