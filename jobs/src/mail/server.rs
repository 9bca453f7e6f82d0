//! One conversation with the mail server, up to the moment from which it may have the mail, and beyond.

use std::time::Duration;

use lettre::Address;
use lettre::message::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;

use super::settings::{MailConfig, Security};

/// Why the server does not have the mail. Words of the server are not repeated: they quote addresses.
#[derive(Debug)]
pub(super) enum NotSent {
    /// Another try may succeed.
    Postponed { code: Option<u16>, reason: String },
    /// This address does not get this mail, now or later.
    Refused { code: u16 },
    /// No mail can be sent until an operator acts.
    Operator { reason: String },
    /// The text was handed over, and no answer came.
    Unknown { reason: String },
}

/// A conversation in which the server has accepted sender and recipient.
pub(super) struct Conversation {
    connection: AsyncSmtpConnection,
    timeout: Duration,
}

impl Conversation {
    /// Connects, logs in, and names sender and recipient: the server has nothing to deliver yet.
    pub(super) async fn begin(config: &MailConfig, to: &Address) -> Result<Self, NotSent> {
        let mut connection = connect(config).await?;
        let within = Within(config.timeout);
        if let Some((user, password)) = &config.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            within.answer("logging in", connection.auth(DEFAULT_MECHANISMS, &credentials)).await.map_err(|failed| match failed {
                Failed::Said { code: 500.. } => {
                    NotSent::Operator { reason: "the mail server refuses EMAIL_HOST_USER and EMAIL_HOST_PASSWORD".to_owned() }
                }
                Failed::Client => NotSent::Operator {
                    reason: "the mail server offers no way to log in that is known here: see EMAIL_HOST_USER".to_owned(),
                },
                other => other.postponed(),
            })?;
        }
        let sender = Mail::new(Some(config.from.email.clone()), Vec::new());
        within.answer("naming the sender", connection.command(sender)).await.map_err(|failed| match failed {
            Failed::Said { code: code @ 500.. } => {
                NotSent::Operator { reason: format!("the mail server refuses DEFAULT_FROM_EMAIL as a sender ({code})") }
            }
            other => other.postponed(),
        })?;
        within.answer("naming the recipient", connection.command(Rcpt::new(to.clone(), Vec::new()))).await.map_err(Failed::for_good)?;
        Ok(Self { connection, timeout: config.timeout })
    }

    /// Hands the text over. From the first byte on the server may deliver it.
    pub(super) async fn hand_over(mut self, message: &Message) -> Result<(), NotSent> {
        let within = Within(self.timeout);
        within.answer("announcing the text", self.connection.command(Data)).await.map_err(Failed::for_good)?;
        within.answer("handing over the text", self.connection.message(&message.formatted())).await.map_err(|failed| match failed {
            Failed::Said { .. } => failed.for_good(),
            Failed::Client | Failed::Broken { .. } => NotSent::Unknown { reason: failed.in_words() },
        })?;
        // The mail is theirs; whether they hear our good-bye does not matter.
        let _ = within.answer("parting", self.connection.quit()).await;
        Ok(())
    }
}

async fn connect(config: &MailConfig) -> Result<AsyncSmtpConnection, NotSent> {
    let hello = ClientId::default();
    let within = Within(config.timeout);
    let tls = || {
        TlsParameters::new(config.host.clone())
            .map_err(|_| NotSent::Operator { reason: "EMAIL_HOST is not a name that a certificate can bear".to_owned() })
    };
    let at_once = if config.security == Security::Tls { Some(tls()?) } else { None };
    let address = (config.host.as_str(), config.port);
    let connecting = AsyncSmtpConnection::connect_tokio1(address, Some(config.timeout), &hello, at_once, None);
    let mut connection = within.answer("connecting", connecting).await.map_err(Failed::postponed)?;
    if config.security == Security::StartTls {
        if !connection.can_starttls() {
            let reason = "the mail server does not offer STARTTLS, and EMAIL_USE_TLS demands it".to_owned();
            return Err(NotSent::Operator { reason });
        }
        within.answer("encrypting the line", connection.starttls(tls()?, &hello)).await.map_err(Failed::postponed)?;
    }
    Ok(connection)
}

/// The longest wait for one answer.
struct Within(Duration);

impl Within {
    async fn answer<T>(&self, doing: &'static str, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.0, asked).await {
            Ok(answer) => answer.map_err(|error| Failed::of(doing, &error)),
            Err(_) => Err(Failed::Broken { doing, how: format!("no answer came within {} s", self.0.as_secs_f64()) }),
        }
    }
}

enum Failed {
    /// The server's answer, a number.
    Said {
        code: u16,
    },
    /// Our own side could not go on.
    Client,
    Broken {
        doing: &'static str,
        how: String,
    },
}

impl Failed {
    fn of(doing: &'static str, error: &Error) -> Self {
        match error.status() {
            Some(code) => Self::Said { code: u16::from(code) },
            None if error.is_client() => Self::Client,
            None => Self::Broken { doing, how: error.to_string() },
        }
    }

    /// 5xx is the server's last word.
    fn for_good(self) -> NotSent {
        match self {
            Self::Said { code: code @ 500.. } => NotSent::Refused { code },
            other => other.postponed(),
        }
    }

    fn postponed(self) -> NotSent {
        let code = if let Self::Said { code } = self { Some(code) } else { None };
        NotSent::Postponed { code, reason: self.in_words() }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Said { code } => format!("the mail server answered {code}"),
            Self::Client => "the mail server lacks an extension that is needed".to_owned(),
            Self::Broken { doing, how } => format!("the mail server was lost while {doing}: {how}"),
        }
    }
}
