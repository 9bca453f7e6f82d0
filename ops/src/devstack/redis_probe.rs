//! Asks a Redis over plain TCP whether it answers, and whether it is the one we started.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// Loopback: an answer that takes longer means that the server is busy loading.
const PATIENCE: Duration = Duration::from_millis(500);

/// More than the two short answers asked for.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Whether the Redis on `port` answers and keeps its data in `folder`: another one may have taken the port
/// just before ours tried to.
pub(super) async fn answers(port: u16, folder: &Path) -> bool {
    let wanted = folder.display().to_string();
    tokio::task::spawn_blocking(move || ask(port)).await.is_ok_and(|answer| answer.is_ok_and(|text| is_ready(&text, &wanted)))
}

/// The bytes of the answers to `PING` and `CONFIG GET dir`, read until the server closes after `QUIT`.
fn ask(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"PING\r\nCONFIG GET dir\r\nQUIT\r\n")?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX as u64);
    limited.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// While it loads its data, Redis answers `PING` with an error.
fn is_ready(answer: &str, folder: &str) -> bool {
    answer.starts_with("+PONG\r\n") && answer.contains(&format!("\r\n{folder}\r\n"))
}
