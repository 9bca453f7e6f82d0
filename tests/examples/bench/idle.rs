//! What a process costs that has nothing to do.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

const IDLE: Duration = Duration::from_secs(20);

/// Commands that clients send to Redis within that time. What a script calls inside is not counted.
pub(crate) async fn commands_within(time: Duration) -> Result<usize> {
    let url = std::env::var("REDIS_URL")?;
    let address = url.trim_start_matches("redis://").trim_end_matches('/').split('/').next().context("host and port")?.to_owned();
    let mut monitor = tokio::net::TcpStream::connect(address).await?;
    monitor.write_all(b"MONITOR\r\n").await?;
    let mut lines = tokio::io::BufReader::new(monitor).lines();
    lines.next_line().await?;
    let mut count = 0;
    let _ = tokio::time::timeout(time, async {
        while let Ok(Some(line)) = lines.next_line().await {
            count += usize::from(!line.contains(" lua] "));
        }
    })
    .await;
    Ok(count)
}

/// Resident memory in MB, Redis commands a second and percent of a core of one idle process.
pub(crate) async fn idle(name: &str) -> Result<(f64, f64, f64)> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?.ancestors().nth(2).context("target/release")?.join(name);
    let mut child = tokio::process::Command::new(program)
        .envs([("OPENAI_API_KEY", "sk-bench"), ("FIELD_ENCRYPTION_KEYS", "dGVzdC1rZXktMzItYnl0ZXMtbG9uZy1mb3ItZmVybmU=")])
        .env("MEDIA_ROOT", folder.path())
        .env("REDIS_PREFIX", format!("idle-{name}"))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().context("it runs")?;
    // It connects, announces itself and settles down first.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let worked = processor_seconds(pid)?;
    let commands = commands_within(IDLE).await?;
    let worked = processor_seconds(pid)? - worked;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?.trim().trim_end_matches(" kB").parse()?;
    anyhow::ensure!(child.try_wait()?.is_none(), "{name} ended");
    child.kill().await?;
    Ok((kilobytes / 1_024.0, commands as f64 / IDLE.as_secs_f64(), 100.0 * worked / IDLE.as_secs_f64()))
}

/// Of all its threads, by the scheduler's count in nanoseconds: a tick of the clock is too coarse for a process that does next to nothing.
fn processor_seconds(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += times.split(' ').next().context("time on a processor")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
