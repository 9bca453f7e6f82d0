//! Scans read by tesseract, in a process that can write nothing, start nothing and reach nobody.
//!
//! These tests need tesseract: `scripts/bootstrap test` installs it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use celeriac_jobs::documents::{InspectedPage, Limits, Ocr, Unreadable, find_tesseract};

use crate::desk::{eventually, inspected, limits, sample};

fn with_tesseract() -> Limits {
    let tesseract =
        find_tesseract().expect("tesseract is not installed: run `scripts/bootstrap test`, or install the package tesseract-ocr");
    Limits { ocr: Ocr::Tesseract, tesseract, ..limits() }
}

fn recognized(page: &InspectedPage) -> (&str, f32) {
    match page {
        InspectedPage::Recognized { text, confidence } => (text, *confidence),
        other => panic!("{other:?} was not recognized"),
    }
}

#[tokio::test]
async fn a_scan_is_read_with_its_paragraphs_and_a_confidence_for_each_page() {
    let (pages, end) = inspected(sample("scanned_letter.pdf"), &with_tesseract()).await;
    assert_eq!(end.unwrap(), 2);
    let (text, confidence) = recognized(&pages[0]);
    assert!(text.starts_with("Meridian County Benefits Office\n"), "{text}");
    assert!(confidence > 85.0, "{confidence}");
}

#[tokio::test]
async fn it_may_write_nothing_start_nothing_and_reach_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (written, port) = (folder.path().join("written"), listener.local_addr().unwrap().port());
    let (words, _) = said(
        folder.path(),
        &format!(
            "word 1; ulimit -v; word 2; ulimit -t; word 3; ulimit -n; word 4; ulimit -f
            word 5; if : > {}; then echo wrote; else echo refused; fi
            word 6; if : 9<>/dev/tcp/127.0.0.1/{port}; then echo reached; else echo refused; fi
            word 7; echo ${{REDIS_URL:-nowhere}} ${{PWD:+somewhere}} threads: $OMP_THREAD_LIMIT
            word 8; echo $*",
            written.display()
        ),
    )
    .await;
    let expected = [
        "976562",
        "60",
        "16",
        "0",
        "refused",
        "refused",
        "nowhere somewhere threads: 1",
        "stdin stdout -l eng --dpi 300 --psm 3 -c tessedit_create_tsv=1",
    ];
    assert_eq!(words.lines().collect::<Vec<_>>(), expected);
    assert!(!written.exists());

    let (_, end) = run(&stand_in(folder.path(), "word 1; ( : ); echo started")).await;
    assert!(!end.expect_err("another process was started").for_good);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_may_read_no_document_and_nothing_else_that_the_worker_can() {
    assert!(celeriac_jobs::documents::child::can_limit_files(), "this kernel has no Landlock: Linux 5.13 or newer is needed");
    let (folder, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let documents = media.path().join("documents");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(documents.join("letter.pdf"), "somebody else's\n").unwrap();
    let (words, _) = said(
        folder.path(),
        &format!(
            "tries() {{ word $1; if read line < $2; then echo read $2; else echo refused; fi; }}
            tries 1 {documents}/letter.pdf
            tries 2 /etc/passwd
            tries 3 /proc/$PPID/status
            tries 4 /proc/self/mounts
            tries 5 $0
            word 6; echo {documents}/*; word 7; exec /bin/echo another program of the system",
            documents = documents.display()
        ),
    )
    .await;
    let unseen = format!("{}/*", documents.display());
    let own = format!("read {}", folder.path().join("tesseract").display());
    let expected = ["refused", "refused", "refused", "refused", &own, &unseen, "another program of the system"];
    assert_eq!(words.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_page_that_takes_too_long_fails_alone_and_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let endless = Limits { child_timeout: Duration::from_secs(3), ..stand_in(folder.path(), "while :; do :; done") };
    let (pages, end) = run(&endless).await;
    assert_eq!(end.unwrap(), 1);
    assert!(matches!(&pages[..], [InspectedPage::Failed(sentence)] if sentence.starts_with("Recognizing the page")), "{pages:?}");
    let place = folder.path().to_str().unwrap().to_owned();
    let lives = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .flat_map(|process| std::fs::read(process.path().join("cmdline")))
            .any(|line| String::from_utf8_lossy(&line).contains(&place))
    };
    eventually("the process is gone", || !lives()).await;
}

#[tokio::test]
async fn an_answer_without_a_page_is_a_failure_and_not_a_blank_page() {
    let folder = tempfile::tempdir().unwrap();
    // What tesseract prints, and exits with 0, when it had too little memory.
    let program = stand_in(folder.path(), "exit 0").tesseract;
    std::fs::write(&program, "#!/bin/bash\necho level\n").unwrap();
    let (pages, _) = run(&Limits { ocr: Ocr::Tesseract, tesseract: program, ..limits() }).await;
    let sentence = "Recognizing the page needs more than the 1000 MB of memory or the 60 seconds allowed.";
    assert_eq!(pages, [InspectedPage::Failed(sentence.into())]);
}

#[tokio::test]
async fn a_language_that_is_not_there_fails_for_now_and_says_which_setting() {
    let (_, end) = run(&Limits { ocr_languages: "xyz".into(), ..with_tesseract() }).await;
    let end = end.unwrap_err();
    assert!(!end.for_good && format!("{:#}", end.detail.unwrap()).contains("DOCUMENT_OCR_LANGUAGES"));
}

async fn run(limits: &Limits) -> (Vec<InspectedPage>, Result<u32, Unreadable>) {
    inspected(sample("statement.png"), limits).await
}

/// A program in tesseract's place, which gets what tesseract would get. `word N` begins a word in line N.
fn stand_in(folder: &Path, script: &str) -> Limits {
    const BEGIN: &str = r"printf '1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n'
word() { printf '5\t1\t1\t1\t%s\t1\t0\t0\t9\t9\t99\t' $1; }";
    let program = folder.join("tesseract");
    std::fs::write(&program, format!("#!/bin/bash\n{BEGIN}\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Limits { ocr: Ocr::Tesseract, tesseract: program, ..limits() }
}

/// The words that such a program prints.
async fn said(folder: &Path, script: &str) -> (String, f32) {
    let (pages, _) = run(&stand_in(folder, script)).await;
    let (text, confidence) = recognized(&pages[0]);
    (text.to_owned(), confidence)
}
