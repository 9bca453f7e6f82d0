//! One conversation.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::server::{Mail, Shared};

/// As RFC 5321 demands of a text line, with room to spare.
const LINE_BYTES_MAX: usize = 4_096;
const TEXT_BYTES_MAX: usize = 10_000_000;

/// Holds the conversation to its end; a client that goes away ends it.
pub(super) async fn hold(socket: TcpStream, shared: Shared) {
    let fault = shared.begin();
    let session = Session { line: BufReader::new(socket), shared, fault, admitted: false, from: None, to: None };
    if let Err(error) = session.run().await {
        tracing::debug!(%error, "a conversation with the mail stand-in broke off");
    }
}

struct Session {
    line: BufReader<TcpStream>,
    shared: Shared,
    fault: Option<Fault>,
    admitted: bool,
    from: Option<String>,
    to: Option<String>,
}

enum Next {
    Go,
    End,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        if self.fault == Some(Fault::Busy) {
            return self.say("421 stand-in.test too busy").await;
        }
        self.say("220 stand-in.test ESMTP").await?;
        while let Some(line) = self.hear().await? {
            if let Next::End = self.answer(&line).await? {
                break;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, line: &str) -> io::Result<Next> {
        let verb: String = line.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => self.say("250-stand-in.test\r\n250-AUTH PLAIN\r\n250 8BITMIME").await?,
            "AUTH" => self.log_in(line).await?,
            "MAIL" if self.shared.demands_login() && !self.admitted => self.say("530 5.7.0 log in first").await?,
            "MAIL" => match self.fault {
                Some(Fault::Sender(code)) => self.say(&format!("{code} that sender is not wanted")).await?,
                _ => {
                    self.from = address(line);
                    self.say("250 2.1.0 ok").await?;
                }
            },
            "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await?,
            "RCPT" => match self.fault {
                Some(Fault::Recipient(code)) => self.say(&format!("{code} that mailbox is not here: {line}")).await?,
                _ => {
                    self.to = address(line);
                    self.say("250 2.1.5 ok").await?;
                }
            },
            "DATA" if self.to.is_none() => self.say("503 5.5.1 RCPT first").await?,
            "DATA" => return self.take_text().await,
            "RSET" | "NOOP" => self.say("250 2.0.0 ok").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Ok(Next::End);
            }
            _ => self.say("502 5.5.1 not known here").await?,
        }
        Ok(Next::Go)
    }

    async fn log_in(&mut self, line: &str) -> io::Result<()> {
        let given = line.split_ascii_whitespace().nth(2).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let mut parts = given.split(|byte| *byte == 0).skip(1).map(|part| String::from_utf8_lossy(part).into_owned());
        let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.admitted = self.shared.admits(&user, &password);
        self.say(if self.admitted { "235 2.7.0 welcome" } else { "535 5.7.8 wrong user or password" }).await
    }

    async fn take_text(&mut self) -> io::Result<Next> {
        if self.fault == Some(Fault::CutBeforeText) {
            return Ok(Next::End);
        }
        self.say("354 end with a dot").await?;
        let mut text = String::new();
        loop {
            let Some(line) = self.hear().await? else { return Ok(Next::End) };
            if line == "." {
                break;
            }
            if text.len() + line.len() > TEXT_BYTES_MAX {
                self.say("552 5.3.4 too long").await?;
                return Ok(Next::End);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
        }
        if let Some(Fault::Text(code)) = self.fault {
            self.say(&format!("{code} that text is not wanted")).await?;
            return Ok(Next::Go);
        }
        let (from, to) = (self.from.take().unwrap_or_default(), self.to.take().unwrap_or_default());
        self.shared.keep(Mail { from, to, text });
        match self.fault {
            Some(Fault::CutAfterText) => return Ok(Next::End),
            Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
            _ => {}
        }
        self.say("250 2.0.0 taken").await?;
        Ok(Next::Go)
    }

    async fn say(&mut self, words: &str) -> io::Result<()> {
        self.line.get_mut().write_all(format!("{words}\r\n").as_bytes()).await
    }

    /// A line without its end; `None` when the client is gone.
    async fn hear(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        loop {
            let ready = self.line.fill_buf().await?;
            if ready.is_empty() {
                return Ok(None);
            }
            let end = ready.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(ready.len(), |end| end + 1);
            bytes.extend_from_slice(&ready[..taken]);
            self.line.consume(taken);
            if bytes.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            if end.is_some() {
                return Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()));
            }
        }
    }
}

/// What stands between < and >.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}
