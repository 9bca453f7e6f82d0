//! Asks a Redis over plain TCP whether it answers, and whether it is the one we started.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// Loopback: an answer that takes longer means that the server is busy loading.
const PATIENCE: Duration = Duration::from_millis(500);

/// More than the short answers asked for.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Whether the Redis on `port` answers and keeps its data in `folder`: another one may have taken the port
/// just before ours tried to.
pub(super) async fn answers(port: u16, folder: &Path) -> bool {
    let wanted = folder.display().to_string();
    tell(port, "PING\r\nCONFIG GET dir").await.is_ok_and(|text| is_ready(&text, &wanted))
}

/// The bytes of the answers to some inline commands, one a line.
pub(super) async fn tell(port: u16, commands: impl Into<String>) -> io::Result<String> {
    let commands = commands.into();
    tokio::task::spawn_blocking(move || ask(port, &commands)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Reads until the server closes after `QUIT`.
fn ask(port: u16, commands: &str) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX as u64);
    limited.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// While it loads its data, Redis answers `PING` with an error.
fn is_ready(answer: &str, folder: &str) -> bool {
    answer.starts_with("+PONG\r\n") && answer.contains(&format!("\r\n{folder}\r\n"))
}
