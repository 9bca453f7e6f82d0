//! What the child takes from itself before it reads a byte of a stranger's file: memory, processor time, descriptors, and on Linux the
//! network, other programs and the file system. Safe code only.

use anyhow::Context;
use rlimit::Resource;

use super::message::Request;

/// Standard input and output, and what the runtime keeps for itself.
const DESCRIPTORS_MAX: u64 = 16;

/// # Errors
/// When a limit cannot be set: then nothing is read.
pub(super) fn confine(request: &Request) -> anyhow::Result<()> {
    Resource::CPU.set(request.cpu_seconds, request.cpu_seconds.saturating_add(1)).context("limiting processor time")?;
    Resource::NOFILE.set(DESCRIPTORS_MAX, DESCRIPTORS_MAX).context("limiting descriptors")?;
    // No dump of a stranger's document on disk.
    Resource::CORE.set(0, 0).context("forbidding core dumps")?;
    platform::confine(request)
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::BTreeMap;

    use anyhow::Context;
    use rlimit::Resource;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    use super::super::message::Request;

    /// Refused with "permission denied". Everything else stays allowed: a list of what an allocator or a newer libc may need would break
    /// with the next libc, and what matters is that the process can reach nothing beyond its two pipes.
    const REFUSED: &[i64] = &[
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_mkdirat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_fchmodat,
        libc::SYS_io_uring_setup,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork,
    ];

    pub(super) fn confine(request: &Request) -> anyhow::Result<()> {
        // First in line for the kernel's out-of-memory killer. A container may forbid the write; the address space still holds.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        Resource::AS.set(request.memory_bytes, request.memory_bytes).context("limiting memory")?;
        let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        let refuse = SeccompAction::Errno(libc::EACCES.cast_unsigned());
        let architecture = std::env::consts::ARCH.try_into().context("seccomp knows this processor")?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).context("building the seccomp filter")?;
        let program: BpfProgram = filter.try_into().context("compiling the seccomp filter")?;
        seccompiler::apply_filter_all_threads(&program).context("applying the seccomp filter")
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::super::message::Request;

    /// Elsewhere (a developer's machine) the address space cannot be limited reliably; time, size, page and pixel limits hold.
    pub(super) fn confine(_request: &Request) -> anyhow::Result<()> {
        Ok(())
    }
}
