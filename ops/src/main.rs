//! The command `celeriac`. Everything it does is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    celeriac_ops::cli::main().await
}
