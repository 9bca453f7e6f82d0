//! What a child takes from itself before it reads a byte of a stranger's file: memory, processor time, descriptors, and on Linux the
//! network, other programs and the file system. Safe code only.

use anyhow::Context;
use rlimit::Resource;

use super::ocr::OcrRequest;

/// Standard input and output, and what the runtime keeps for itself; for tesseract its libraries and language data, one after the other.
const DESCRIPTORS_MAX: u64 = 16;

/// Before a file is parsed: nothing of the outside is left but two pipes.
///
/// # Errors
/// When a limit cannot be set: then nothing is read.
pub(super) fn for_parsing(memory_bytes: u64, cpu_seconds: u64) -> anyhow::Result<()> {
    limit(cpu_seconds)?;
    platform::confine(memory_bytes, platform::PARSING)
}

/// Before tesseract is called: it may read its libraries and its data, write nothing, start nothing, reach nobody.
///
/// # Errors
/// When a limit cannot be set: then it is not called.
pub(super) fn for_tesseract(request: &OcrRequest) -> anyhow::Result<()> {
    limit(request.cpu_seconds)?;
    Resource::FSIZE.set(0, 0).context("forbidding files to be written")?;
    platform::confine(request.memory_bytes, platform::RECOGNIZING)?;
    platform::limit_files(request)
}

fn limit(cpu_seconds: u64) -> anyhow::Result<()> {
    Resource::CPU.set(cpu_seconds, cpu_seconds.saturating_add(1)).context("limiting processor time")?;
    Resource::NOFILE.set(DESCRIPTORS_MAX, DESCRIPTORS_MAX).context("limiting descriptors")?;
    // No dump of a stranger's document on disk.
    Resource::CORE.set(0, 0).context("forbidding core dumps")
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::BTreeMap;

    use anyhow::Context;
    use rlimit::Resource;
    use seccompiler::SeccompCmpArgLen::Dword;
    use seccompiler::SeccompCmpOp::MaskedEq;
    use seccompiler::{BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule};

    use crate::documents::child::ocr::OcrRequest;
    use crate::documents::child::readable;

    /// Calls refused with "permission denied". Everything else stays allowed: a list of what an allocator or a newer libc may need would
    /// break with the next libc, and what matters is that the process can reach nothing beyond its pipes.
    #[derive(Clone, Copy)]
    pub(super) struct Refused {
        always: &'static [&'static [i64]],
        /// Opening a file to write it, by the argument that holds the flags.
        writing: &'static [(i64, u8)],
    }

    pub(super) const PARSING: Refused = Refused { always: &[NETWORK, OTHER_PROCESSES, FORKS, NAMES, PROGRAMS, OPENING], writing: &[] };
    pub(super) const RECOGNIZING: Refused = Refused { always: &[NETWORK, OTHER_PROCESSES, FORKS, NEW_PROCESSES, NAMES], writing: WRITING };

    const NETWORK: &[i64] = &[
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_io_uring_setup,
    ];
    const OTHER_PROCESSES: &[i64] =
        &[libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_open, libc::SYS_kill, libc::SYS_tkill];
    const FORKS: &[i64] = &[
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork,
    ];
    /// Threads as well: tesseract is told to do with one.
    const NEW_PROCESSES: &[i64] = &[libc::SYS_clone, libc::SYS_clone3];
    const PROGRAMS: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];
    /// Changes to folders.
    const NAMES: &[i64] = &[
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_mkdirat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_fchmodat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename,
    ];
    const OPENING: &[i64] = &[
        libc::SYS_openat,
        libc::SYS_openat2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
    ];
    const WRITING: &[(i64, u8)] = &[
        (libc::SYS_openat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
    ];

    pub(super) fn limit_files(request: &OcrRequest) -> anyhow::Result<()> {
        readable::only_what_tesseract_needs(&request.program, request.data.as_deref())
    }

    pub(super) fn confine(memory_bytes: u64, refused: Refused) -> anyhow::Result<()> {
        // First in line for the kernel's out-of-memory killer. A container may forbid the write; the address space still holds.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        Resource::AS.set(memory_bytes, memory_bytes).context("limiting memory")?;
        let refuse = SeccompAction::Errno(libc::EACCES.cast_unsigned());
        let architecture = std::env::consts::ARCH.try_into().context("seccomp knows this processor")?;
        let filter =
            SeccompFilter::new(rules(refused)?, SeccompAction::Allow, refuse, architecture).context("building the seccomp filter")?;
        let program: BpfProgram = filter.try_into().context("compiling the seccomp filter")?;
        seccompiler::apply_filter_all_threads(&program).context("applying the seccomp filter")
    }

    fn rules(refused: Refused) -> anyhow::Result<BTreeMap<i64, Vec<SeccompRule>>> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for call in refused.always.iter().copied().flatten() {
            rules.insert(*call, Vec::new());
        }
        for (call, flags_at) in refused.writing {
            let with = |mask: i32, flags: i32| -> anyhow::Result<SeccompRule> {
                let (mask, flags) = (u64::from(mask.cast_unsigned()), u64::from(flags.cast_unsigned()));
                Ok(SeccompRule::new(vec![SeccompCondition::new(*flags_at, Dword, MaskedEq(mask), flags)?])?)
            };
            let writing =
                [with(libc::O_ACCMODE, libc::O_WRONLY)?, with(libc::O_ACCMODE, libc::O_RDWR)?, with(libc::O_CREAT, libc::O_CREAT)?];
            rules.insert(*call, writing.into());
        }
        Ok(rules)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use crate::documents::child::ocr::OcrRequest;

    pub(super) struct Refused;
    pub(super) const PARSING: Refused = Refused;
    pub(super) const RECOGNIZING: Refused = Refused;

    pub(super) fn limit_files(_request: &OcrRequest) -> anyhow::Result<()> {
        Ok(())
    }

    /// Elsewhere (a developer's machine) the address space cannot be limited reliably; time, size, page and pixel limits hold.
    pub(super) fn confine(_memory_bytes: u64, _refused: Refused) -> anyhow::Result<()> {
        Ok(())
    }
}
