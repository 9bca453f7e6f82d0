//! The text of the mail, from the templates in `jobs/templates/mail`.

use anyhow::Context;
use askama::Template;
use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};

use super::rows::Recipient;
use super::settings::MailConfig;

/// What the templates may speak of.
struct Facts<'a> {
    name: &'a str,
    uploaded_on: String,
    link: String,
}

#[derive(Template)]
#[template(path = "mail/document_ready.en.txt")]
struct EnglishText<'a>(&'a Facts<'a>);

#[derive(Template)]
#[template(path = "mail/document_ready.en.html")]
struct EnglishHtml<'a>(&'a Facts<'a>);

#[derive(Template)]
#[template(path = "mail/document_ready.es.txt")]
struct SpanishText<'a>(&'a Facts<'a>);

#[derive(Template)]
#[template(path = "mail/document_ready.es.html")]
struct SpanishHtml<'a>(&'a Facts<'a>);

/// The mail that tells this recipient that the document is ready.
///
/// # Errors
/// When the address is none.
pub(super) fn document_ready(config: &MailConfig, document_id: i64, recipient: &Recipient) -> anyhow::Result<Message> {
    let name: String = recipient.name.chars().filter(|letter| !letter.is_control()).collect();
    let facts =
        Facts { name: name.trim(), uploaded_on: day(recipient.uploaded_at), link: format!("{}/documents/{document_id}", config.site_url) };
    let (subject, text, html) = match recipient.language.as_str() {
        "es" => ("Su documento está listo", SpanishText(&facts).render()?, SpanishHtml(&facts).render()?),
        _ => ("Your document is ready", EnglishText(&facts).render()?, EnglishHtml(&facts).render()?),
    };
    let address = recipient.email.parse().context("the recipient's address is none")?;
    let to = Mailbox::new(Some(facts.name.to_owned()).filter(|name| !name.is_empty()), address);
    Message::builder()
        .from(config.from.clone())
        .to(to)
        .subject(subject)
        // The same for every attempt, so that a reader's program takes two for one.
        .message_id(Some(format!("<document-ready-{document_id}@{}>", config.from.email.domain())))
        // RFC 3834: nobody's holiday notice shall answer.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(text, html))
        .context("the mail cannot be put together")
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_neither_add_a_header_nor_markup_and_the_language_is_the_recipients() {
        let config = MailConfig {
            host: "h".to_owned(),
            port: 25,
            security: super::super::Security::Plain,
            credentials: None,
            timeout: std::time::Duration::from_secs(1),
            from: "App <no-reply@example.org>".parse().unwrap(),
            site_url: "https://app.example".to_owned(),
        };
        let mut recipient = Recipient {
            user_id: 1,
            email: "ada@example.org".to_owned(),
            name: "Ada\r\nBcc: all@example.org <b>&</b>".to_owned(),
            language: "en".to_owned(),
            uploaded_at: DateTime::UNIX_EPOCH,
        };
        let mail = String::from_utf8(document_ready(&config, 42, &recipient).unwrap().formatted()).unwrap();
        assert!(!mail.contains("\nBcc:") && !mail.contains("<b>&</b>\r\n<"), "{mail}");
        assert!(mail.contains("&#60;b&#62;") || mail.contains("&lt;b&gt;"), "{mail}");
        assert!(mail.contains("https://app.example/documents/42") && mail.contains("1970-01-01"), "{mail}");
        assert!(mail.contains("Message-ID: <document-ready-42@example.org>") && mail.contains("Subject: Your document is ready"), "{mail}");
        recipient.language = "es".to_owned();
        assert!(String::from_utf8(document_ready(&config, 42, &recipient).unwrap().formatted()).unwrap().contains("analizado"));
        recipient.language = "tlh".to_owned();
        assert!(
            String::from_utf8(document_ready(&config, 42, &recipient).unwrap().formatted()).unwrap().contains("Your document is ready")
        );
        recipient.email = "ada@".to_owned();
        assert!(document_ready(&config, 42, &recipient).is_err());
    }
}
