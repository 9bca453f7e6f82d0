//! A stand-in for a mail server: it takes mail by SMTP (RFC 5321) on a loopback port, keeps it, and delivers nothing.
//!
//! It speaks in the clear. It takes any login (AUTH PLAIN), and with [`Options::login`] demands that one; its script makes it fail at any step of the conversation.

mod fault;
mod server;
mod session;

pub use fault::Fault;
pub use server::{Counters, Mail, Options, SmtpStub};
