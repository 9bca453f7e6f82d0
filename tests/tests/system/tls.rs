//! `rediss://` with a private certificate authority: works with REDIS_CA_FILE, is refused without.

use std::path::Path;
use std::time::Duration;

use celeriac_ops::devstack::{RedisOptions, TlsFiles};
use celeriac_queue::{EnqueueOptions, Policy, State};
use celeriac_tests::{System, SystemOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority of one's own, and a certificate for this machine by it, as PEM files.
fn certificates(folder: &Path) -> TlsFiles {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        authority: file("ca.pem", authority.pem()),
        certificate: file("server.pem", server.pem()),
        key: file("server.key", key.serialize_pem()),
    }
}

#[tokio::test]
async fn a_worker_talks_tls_to_redis_and_refuses_a_certificate_it_cannot_check() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Some(certificates(folder.path()));
    let mut system =
        System::with(SystemOptions { own_redis: Some(RedisOptions { tls, ..RedisOptions::default() }), ..SystemOptions::default() }).await;
    assert!(system.environment["REDIS_URL"].starts_with("rediss://"));
    let worker = system.process("own-worker", &[]);
    let options = EnqueueOptions { keep: Some(Duration::from_secs(60)), ..EnqueueOptions::default() };
    let enqueued = system.client.enqueue_raw("greet", br#"{"name": "Ada"}"#.to_vec(), &Policy::default(), options).await.unwrap();
    assert_eq!(system.client.wait(&enqueued.queue, &enqueued.id, Duration::from_secs(30)).await.unwrap().state, State::Finished);
    assert!(worker.stop().await.success());

    system.environment.remove("REDIS_CA_FILE");
    let mut stranger = system.process("own-worker", &[]);
    assert!(!stranger.ended().await.success());
    assert!(stranger.log().contains("REDIS_URL") && stranger.log().contains("certificate"), "{}", stranger.log());
    system.finish().await;
}
