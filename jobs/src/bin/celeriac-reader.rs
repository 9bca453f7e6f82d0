//! The process that parses one stranger's file, and nothing more. Workers start themselves for this; a program whose `main` cannot begin
//! with [`celeriac_jobs::documents::child::run_child_if_asked`], such as a test runner's, names this one instead.

fn main() -> anyhow::Result<()> {
    celeriac_jobs::documents::child::run_child_if_asked();
    anyhow::bail!("celeriac-reader is started by a worker, with a document on its standard input; by hand it does nothing")
}
