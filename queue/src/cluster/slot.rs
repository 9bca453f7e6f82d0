//! Which of a cluster's 16,384 slots a command belongs to.

use redis::{Arg, Cmd, Pipeline};

pub(super) const SLOTS: u16 = 16_384;

/// A key's slot: of what stands between its first braces if something does, else of all of it.
pub(super) fn of_key(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// `None` when any node may answer. Where a command names several keys, the first decides: all must be of one slot.
pub(super) fn of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    });
    let name = words.next()?;
    let key = match name.to_ascii_uppercase().as_slice() {
        b"TIME" | b"INFO" | b"PING" | b"PUBLISH" | b"CLUSTER" | b"SCRIPT" | b"CONFIG" | b"MULTI" | b"EXEC" => None,
        // The hash or the text, the number of keys, the first key.
        b"EVALSHA" | b"EVAL" => words.nth(2),
        b"MEMORY" | b"OBJECT" => words.nth(1),
        _ => words.next(),
    };
    key.map(of_key)
}

pub(super) fn of_pipeline(pipeline: &Pipeline) -> Option<u16> {
    pipeline.cmd_iter().find_map(of_command)
}

/// CRC-16/XMODEM, by which the nodes reckon.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_that_the_nodes_reckon() {
        // Each as answered by CLUSTER KEYSLOT.
        for (key, slot) in [("123456789", 12_739), ("foo", 12_182), ("{foo}:bar", 12_182), ("celeriac:{foo}:jobs", 12_182), ("", 0)] {
            assert_eq!(of_key(key.as_bytes()), slot, "{key}");
        }
        assert_ne!(of_key(b"{}foo"), of_key(b"{}bar"), "an empty tag is no tag");
    }

    #[test]
    fn a_command_belongs_to_its_first_key() {
        let foo = Some(12_182);
        assert_eq!(of_command(redis::cmd("get").arg("foo")), foo);
        assert_eq!(of_command(redis::cmd("EVALSHA").arg("abc").arg(2).arg("foo").arg("{foo}b").arg("bar")), foo);
        assert_eq!(of_command(redis::cmd("MEMORY").arg("USAGE").arg("foo")), foo);
        assert_eq!(of_command(&redis::cmd("TIME")), None);
        assert_eq!(of_pipeline(redis::pipe().ping().cmd("GET").arg("foo")), foo);
    }
}
