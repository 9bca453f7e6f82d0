//! A loopback port for a server of ours.
//!
//! The ports come from below the ranges that Linux (32768 and up) and macOS (49152 and up) hand to outgoing
//! connections. Asking the kernel for "any free port" would pick one from that range, and a client that
//! keeps trying to reach a server which is restarting may then be given the server's own port, connect to
//! itself, and hold it.

use std::net::{Ipv4Addr, TcpListener};

use uuid::Uuid;

const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

/// How many ports to try before giving up; a machine with that many taken has another problem.
pub(super) const ATTEMPTS: usize = 20;

/// A port that was free a moment ago. Somebody may take it before the server binds it: the caller sees the
/// server end and asks again.
pub(super) fn free() -> u16 {
    let mut port = candidate();
    for _ in 0..ATTEMPTS {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break;
        }
        port = candidate();
    }
    port
}

/// Random, so that test processes which start together do not race for the same ports in the same order.
fn candidate() -> u16 {
    let (_, random, _, _) = Uuid::new_v4().as_fields();
    FIRST + random % COUNT
}
