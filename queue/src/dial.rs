//! How a server is called: credentials, TLS and sockets, the same for every node of a cluster.

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult, TlsCertificates};

use crate::address::{Address, Places};
use crate::line::Line;
use crate::{Error, RedisConfig};

pub(crate) struct Dial {
    places: Places,
    /// A certificate authority, PEM.
    authority: Option<Vec<u8>>,
    config: RedisConfig,
}

impl Dial {
    /// Calls nobody yet.
    ///
    /// # Errors
    /// [`Error::Url`], or [`Error::Redis`] when the file of the authority cannot be read.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, Error> {
        let mut places = Places::parse(&config.url)?;
        places.first = places.first.set_tcp_settings(tcp_settings(config));
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|error| {
                let detail = format!("{}: {error}", path.display());
                redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "cannot read the Redis CA file", detail))
            })
        };
        let authority = config.ca_file.as_ref().map(read).transpose()?;
        Ok(Self { places, authority, config: config.clone() })
    }

    /// What REDIS_URL names; one address or none (a Unix socket) may be a single server.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.places.addresses
    }

    /// The server of the first URL.
    pub(crate) fn first(&self) -> RedisResult<Client> {
        self.client(self.places.first.clone())
    }

    /// Another node of the same cluster.
    pub(crate) fn node(&self, address: &Address) -> RedisResult<Client> {
        let (host, port) = (address.host.clone(), address.port);
        let place = match self.places.first.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.client(self.places.first.clone().set_addr(place))
    }

    /// A connection for blocking commands. How long an answer may take is for each of them to say.
    pub(crate) async fn blocking(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        let settings = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(self.config.connect_timeout));
        client.get_multiplexed_async_connection_with_config(&settings).await
    }

    /// A shared line to a server, connected at its first command.
    pub(crate) fn line(&self, client: Client) -> Line {
        let settings = AsyncConnectionConfig::new()
            .set_response_timeout(Some(self.config.response_timeout))
            .set_connection_timeout(Some(self.config.connect_timeout));
        Line::new(client, settings)
    }

    pub(crate) async fn pubsub(&self, client: &Client) -> RedisResult<PubSub> {
        match tokio::time::timeout(self.config.connect_timeout, client.get_async_pubsub()).await {
            Ok(subscribed) => subscribed,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match &self.authority {
            None => Client::open(info),
            Some(authority) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(authority.clone()) }),
        }
    }
}

/// Small commands leave at once; where the system can, bytes that nobody acknowledges end the connection.
fn tcp_settings(config: &RedisConfig) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(config.response_timeout * 2);
    #[cfg(not(target_os = "linux"))]
    let _ = config;
    settings
}
