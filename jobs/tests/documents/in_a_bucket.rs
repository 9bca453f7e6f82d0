//! Uploads in an S3-compatible bucket: read through the real job, and every way in which the bucket can fail.

use std::fs::File;

use celeriac_jobs::storage::{BucketConfig, Storage, StorageError};
use futures::StreamExt;
use image::ImageFormat;
use sqlx::PgPool;

use crate::bucket::Bucket;
use crate::desk::{Desk, shown};
use crate::files::{picture, text_pdf};

const FILE: &str = "documents/user_1/a.pdf";
/// What a piece of a stream may have at most; the connection's own buffers are smaller.
const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// A document of a user who has consented, whose file is in the bucket or not.
async fn desk(pool: PgPool, bucket: &Bucket) -> (Desk, i64) {
    let mut desk = Desk::new(pool).await;
    desk.documents.storage = bucket.storage();
    desk.consent(1).await;
    let id = desk.add_row(1, FILE).await;
    (desk, id)
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_in_a_bucket_is_read_from_below_its_prefix(pool: PgPool) {
    let bucket = Bucket::start().await;
    let (desk, id) = desk(pool, &bucket).await;
    bucket.write(FILE, &text_pdf(&["Dear Ada, your hearing is on 2027-03-03 in room 12."]));
    desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    assert!(desk.analysis(&row).finding.summary.contains("your hearing is on 2027-03-03"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn each_failure_of_a_bucket_has_its_own_end_and_nobody_is_asked(pool: PgPool) {
    let bucket = Bucket::start().await;
    let (mut desk, id) = desk(pool, &bucket).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let right = bucket.config();
    let cases = [
        (right.clone(), "bury", "The file of this document is not in the storage"),
        (BucketConfig { secret_access_key: "hunter2".to_owned().into(), ..right.clone() }, "pause", "AWS_SECRET_ACCESS_KEY"),
        (BucketConfig { access_key_id: "nobody".to_owned(), ..right.clone() }, "pause", "AWS_ACCESS_KEY_ID"),
        (BucketConfig { endpoint: Some(format!("http://{nobody}")), ..right }, "retry", "The storage could not be reached"),
    ];
    for (config, next, told) in cases {
        desk.documents.storage = Storage::bucket(&config).unwrap();
        let (did, text) = shown(desk.run(id).await);
        assert_eq!((did, text.contains(told)), (next, true), "{told}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("the-secret"), "{text}");
    }
    assert_eq!(desk.requests(), 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_line_that_is_cut_is_taken_up_where_it_broke_unless_the_file_is_another_by_then(pool: PgPool) {
    let bucket = Bucket::start().await;
    let (mut desk, id) = desk(pool, &bucket).await;
    let file = picture(3_000, 1_000, ImageFormat::Jpeg);
    assert!(file.len() > 60_000, "too short to be cut: {}", file.len());
    bucket.write(FILE, &file);
    bucket.cut(&[30_000]);
    desk.run(id).await.unwrap();
    assert_eq!(desk.row(id).await.status, "completed");

    let other = desk.add_row(1, "documents/user_1/b.jpg").await;
    bucket.write("documents/user_1/b.jpg", &file);
    // On connections of its own: the last one that was made is whole.
    desk.documents.storage = bucket.storage();
    bucket.cut(&[10_000; 9]);
    let (did, text) = shown(desk.run(other).await);
    assert_eq!((did, desk.row(other).await.ai_summary), ("retry", None), "{text}");

    let storage = Bucket::start().await;
    storage.write(FILE, &file);
    storage.cut(&[30_000]);
    let mut opened = storage.storage().open(FILE).await.unwrap().contents;
    opened.next().await.unwrap().unwrap();
    storage.write(FILE, &picture(3_000, 1_001, ImageFormat::Jpeg));
    let rest: Vec<_> = opened.collect().await;
    assert!(rest.last().unwrap().is_err(), "two files were read as one");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_file_over_the_limit_is_refused_before_it_is_read(pool: PgPool) {
    let bucket = Bucket::start().await;
    let (desk, id) = desk(pool, &bucket).await;
    bucket.write(FILE, b"%PDF-1.7");
    File::options().write(true).open(bucket.path(FILE)).unwrap().set_len(51 * 1024 * 1024).unwrap();
    assert_eq!(shown(desk.run(id).await), ("bury", "The file is 51 MB large; at most 50 MB can be processed.".to_owned()));
    // What the machine's own buffers take before anybody reads.
    assert!(bucket.passed() < 10_000_000, "{} bytes were read", bucket.passed());
}

#[tokio::test]
async fn a_large_file_is_put_read_in_small_pieces_and_deleted() {
    let bucket = Bucket::start().await;
    let storage = bucket.storage();
    let large: Vec<u8> = (0..50 * 1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(storage.put(FILE, large.as_slice()).await.unwrap(), large.len() as u64);
    let mut opened = storage.open(FILE).await.unwrap();
    assert_eq!(opened.bytes, large.len() as u64);
    let (mut read, mut largest) = (0, 0);
    while let Some(piece) = opened.contents.next().await {
        let piece = piece.unwrap();
        assert_eq!(piece, large[read..read + piece.len()], "what was read differs at {read}");
        (read, largest) = (read + piece.len(), largest.max(piece.len()));
    }
    assert_eq!(read, large.len());
    assert!(largest <= PIECE_BYTES_MAX, "a piece has {largest} bytes");
    storage.delete(FILE).await.unwrap();
    storage.delete(FILE).await.unwrap();
    assert!(!bucket.path(FILE).exists());
    assert!(matches!(storage.open(FILE).await, Err(StorageError::Missing)));
}
