//! A bucket of the test's own, in its process, behind a line that can be cut.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use celeriac_jobs::storage::{BucketConfig, Storage};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const NAME: &str = "uploads";
const PREFIX: &str = "media";

/// Gone when dropped.
pub(crate) struct Bucket {
    root: TempDir,
    endpoint: String,
    line: Arc<Mutex<Line>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Line {
    /// Bytes after which the next connections break, in order; then none does.
    cuts: VecDeque<u64>,
    /// Bytes that came from the bucket.
    passed: u64,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(NAME)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("celeriac", "the-secret"));
        let service = service.build();
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner_address = inner.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (socket, _) = inner.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    // A line that was cut is an error here, too.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        let outer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", outer.local_addr().unwrap());
        let line = Arc::new(Mutex::new(Line::default()));
        let passing = tokio::spawn({
            let line = Arc::clone(&line);
            async move {
                loop {
                    let (client, _) = outer.accept().await.unwrap();
                    let server = TcpStream::connect(inner_address).await.unwrap();
                    let cut = line.lock().unwrap().cuts.pop_front().unwrap_or(u64::MAX);
                    tokio::spawn(pass(client, server, cut, Arc::clone(&line)));
                }
            }
        });
        Self { root, endpoint, line, tasks: vec![serving, passing] }
    }

    pub(crate) fn config(&self) -> BucketConfig {
        BucketConfig {
            name: NAME.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            access_key_id: "celeriac".to_owned(),
            secret_access_key: "the-secret".to_owned().into(),
            prefix: Some(PREFIX.to_owned()),
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::bucket(&self.config()).unwrap()
    }

    /// Where the bucket keeps the object of that path.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(NAME).join(PREFIX).join(path)
    }

    pub(crate) fn write(&self, path: &str, contents: &[u8]) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), contents).unwrap();
    }

    /// The next connections break after so many bytes from the bucket.
    pub(crate) fn cut(&self, after: &[u64]) {
        self.line.lock().unwrap().cuts.extend(after);
    }

    pub(crate) fn passed(&self) -> u64 {
        self.line.lock().unwrap().passed
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn pass(client: TcpStream, server: TcpStream, mut left: u64, line: Arc<Mutex<Line>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut piece = vec![0; 16 * 1024];
    while left > 0 {
        let Ok(read @ 1..) = from_server.read(&mut piece).await else { break };
        let given = left.min(read as u64);
        left -= given;
        line.lock().unwrap().passed += given;
        if to_client.write_all(&piece[..given as usize]).await.is_err() {
            break;
        }
    }
    asking.abort();
}
