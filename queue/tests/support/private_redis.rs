//! A Redis for one test, for what must not be done to a shared one.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::FromRedisValue;

use super::eventually;

/// A server on a free loopback port that keeps nothing; gone with this value.
pub(crate) struct PrivateRedis {
    process: Child,
    port: u16,
}

impl PrivateRedis {
    /// `REDIS_SERVER` names the program, else it is found in `PATH`.
    pub(crate) async fn start() -> Self {
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(&program)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started ({error}): install Redis, or name its server in REDIS_SERVER"));
        let redis = Self { process, port };
        eventually("the private Redis answers", async || redis.command::<String>(&["PING"]).await.is_ok()).await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// `0` for no limit.
    pub(crate) async fn limit_memory(&self, bytes: &str) {
        self.command::<()>(&["CONFIG", "SET", "maxmemory", bytes]).await.unwrap();
    }

    /// How many clients stand in a blocking command.
    pub(crate) async fn blocked_clients(&self) -> usize {
        let info: String = self.command(&["INFO", "clients"]).await.unwrap();
        let count = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
        count.trim().parse().unwrap()
    }

    pub(crate) async fn subscribed_clients(&self) -> usize {
        let list: String = self.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.unwrap();
        list.lines().count()
    }

    /// Cuts the lines of all who subscribe; returns how many there were.
    pub(crate) async fn cut_subscribers(&self) -> usize {
        self.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap()
    }

    async fn command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut line = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut line).await
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
