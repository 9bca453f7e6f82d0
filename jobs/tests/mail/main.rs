//! `send_document_ready_email` on a real PostgreSQL, against a stand-in that speaks SMTP.

mod desk;
mod sending;
mod unknown;
