//! A network between a process and its Redis, on loopback, that a test can break.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Passes connections on to a server, until told otherwise. Gone, with all its connections, when dropped.
pub struct Proxy {
    port: u16,
    routes: Arc<Mutex<Routes>>,
    listener: AbortOnDropHandle<()>,
}

/// What becomes of connections.
struct Routes {
    server: SocketAddr,
    swallows: watch::Sender<bool>,
    /// Cancelled to end every connection there is.
    cut: CancellationToken,
    /// Cancelled to silence every connection there is, for ever.
    silence: CancellationToken,
}

impl Proxy {
    /// A free port that leads to that of a server on this machine.
    pub async fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let routes = Arc::new(Mutex::new(Routes {
            server: loopback(server_port),
            swallows: watch::Sender::new(false),
            cut: CancellationToken::new(),
            silence: CancellationToken::new(),
        }));
        let accepted = Arc::clone(&routes);
        let listener = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("a loopback listener accepts");
                tokio::spawn(connect(near, Arc::clone(&accepted)));
            }
        }));
        Self { port, routes, listener }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// From now on bytes are swallowed, in both directions: connections stay open, also new ones, and nobody hears that anything is wrong.
    pub fn swallow(&self) {
        let mut routes = self.lock();
        routes.swallows.send_replace(true);
        std::mem::take(&mut routes.silence).cancel();
    }

    /// New connections get through again. Those that were swallowed from never say a word again, as bytes of theirs are missing; only that
    /// the client has closed them is now heard.
    pub fn pass(&self) {
        self.lock().swallows.send_replace(false);
    }

    /// Ends every connection; new ones get through.
    pub fn cut(&self) {
        std::mem::take(&mut self.lock().cut).cancel();
    }

    /// New connections go to another server of this machine; those there are stay where they are.
    pub fn retarget(&self, server_port: u16) {
        self.lock().server = loopback(server_port);
    }

    fn lock(&self) -> MutexGuard<'_, Routes> {
        lock(&self.routes)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    routes.lock().expect("nothing panics while it holds the routes")
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// One connection, to its end. A server that refuses ends it at once, as it would without a proxy.
async fn connect(near: TcpStream, routes: Arc<Mutex<Routes>>) {
    let (server, swallows, cut, silence) = {
        let routes = lock(&routes);
        (routes.server, routes.swallows.subscribe(), routes.cut.clone(), routes.silence.clone())
    };
    tokio::select! {
        () = live(near, server, swallows, silence) => {}
        () = cut.cancelled() => {}
    }
}

async fn live(mut near: TcpStream, server: SocketAddr, mut swallows: watch::Receiver<bool>, silence: CancellationToken) {
    if *swallows.borrow() {
        return swallow(&mut near).await;
    }
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    // As our own clients and Redis do: a proxy that gathers small writes would be a slow network besides.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        () = silence.cancelled() => {}
    }
    let closed = async {
        swallow(&mut near).await;
        let _ = swallows.wait_for(|swallows| !swallows).await;
    };
    let server_goes_on = async {
        swallow(&mut far).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = closed => {}
        () = server_goes_on => {}
    }
}

/// Reads and forgets, until the stream is closed.
async fn swallow(stream: &mut TcpStream) {
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}
