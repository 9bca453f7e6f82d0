//! The server: its listener, script and counters.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::fault::Fault;
use super::session;

/// Mails that are kept; beyond it only the counters go on.
const MAILS_MAX: usize = 10_000;

/// How the stand-in begins.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// User and password that it demands.
    pub login: Option<(String, String)>,
    /// How the first conversations go wrong, in order.
    pub next: Vec<Fault>,
}

/// A mail that it has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// Header and body, as they came.
    pub text: String,
}

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    pub connections: u64,
    pub refused_logins: u64,
    pub mails: Vec<Mail>,
}

#[derive(Default)]
struct Inner {
    login: Option<(String, String)>,
    next: VecDeque<Fault>,
    counters: Counters,
}

#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) -> Option<Fault> {
        let mut inner = self.lock();
        inner.counters.connections += 1;
        inner.next.pop_front()
    }

    pub(super) fn demands_login(&self) -> bool {
        self.lock().login.is_some()
    }

    pub(super) fn admits(&self, user: &str, password: &str) -> bool {
        let mut inner = self.lock();
        let admitted = inner.login.as_ref().is_none_or(|(name, secret)| name == user && secret == password);
        inner.counters.refused_logins += u64::from(!admitted);
        admitted
    }

    pub(super) fn keep(&self, mail: Mail) {
        let mails = &mut self.lock().counters.mails;
        if mails.len() < MAILS_MAX {
            mails.push(mail);
        }
    }
}

/// A stand-in in this process, gone with its conversations when dropped.
pub struct SmtpStub {
    address: SocketAddr,
    shared: Shared,
    _server: JoinSet<()>,
}

impl SmtpStub {
    /// On a free loopback port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Shared(Arc::new(Mutex::new(Inner { login: options.login, next: options.next.into(), ..Inner::default() })));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Ok(Self { address, shared, _server: server })
    }

    /// For EMAIL_PORT; EMAIL_HOST is 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Appended to the script.
    pub fn next(&self, faults: &[Fault]) {
        self.shared.lock().next.extend(faults);
    }

    pub fn counters(&self) -> Counters {
        self.shared.lock().counters.clone()
    }
}

async fn serve(listener: TcpListener, shared: Shared) {
    let mut sessions = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                sessions.spawn(session::hold(socket, shared.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the mail stand-in has stopped");
                return;
            }
        }
        while sessions.try_join_next().is_some() {}
    }
}
