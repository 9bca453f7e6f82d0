//! What a file or a page that cannot be read is to its owner: the sentences.

use std::process::ExitStatus;
use std::time::Duration;

use super::Limits;
use super::child::REFUSED;
use super::child::message::ReadFault;
use crate::fault::Fault;

/// The sentence for a file that the child refused. None of these gets better by trying again.
pub(super) fn of_file(fault: &ReadFault, limits: &Limits) -> Fault {
    match fault {
        ReadFault::Empty => Fault::never("The file is empty."),
        ReadFault::UnknownType { looks_like: Some(guess) } => {
            Fault::never(format!("The file is not a PDF, JPEG, PNG or TIFF; it looks like {guess}."))
        }
        ReadFault::UnknownType { looks_like: None } => Fault::never("The file is not a PDF, JPEG, PNG or TIFF."),
        ReadFault::PasswordProtected => Fault::never("The PDF is protected by a password. Please upload it again without the password."),
        ReadFault::UnsupportedEncryption => {
            Fault::never("The PDF is encrypted in a way that cannot be read. Please upload it again without encryption.")
        }
        ReadFault::Damaged { file_type, detail } => {
            Fault::never(format!("The file is damaged and cannot be read as a {file_type}.")).because(anyhow::anyhow!("{detail}"))
        }
        ReadFault::UnknownForm { file_type, detail } => {
            Fault::never(format!("The file is a {file_type} of a kind that cannot be read. Please upload it as a PDF or in another form."))
                .because(anyhow::anyhow!("{detail}"))
        }
        ReadFault::TooManyPages { pages, max } => Fault::never(format!("The document has {pages} pages; at most {max} can be processed.")),
        ReadFault::TooManyPixels { width, height, max } => Fault::never(too_many_pixels(*width, *height, *max)),
        ReadFault::UnpacksTooLarge { bytes, and_more, max } => {
            let more = if *and_more { "more than " } else { "" };
            let sentence =
                format!("A part of the PDF unpacks to {more}{}; at most {} can be processed.", megabytes(*bytes), megabytes(*max));
            Fault::never(sentence)
        }
        ReadFault::TooMuchMemory => too_large(limits),
        ReadFault::Crashed { at } => Fault::never("The file is damaged in a way that stops it from being read.")
            .because(anyhow::anyhow!("the parser panicked at {at}")),
    }
}

/// The sentence for a page that the child could not read, while it could read others.
pub(super) fn of_page(fault: &ReadFault, limits: &Limits) -> String {
    match fault {
        ReadFault::TooManyPixels { width, height, max } => too_many_pixels(*width, *height, *max),
        ReadFault::TooMuchMemory => {
            format!("Reading the page needs more than the {} of memory allowed.", megabytes(limits.child_memory_bytes))
        }
        ReadFault::UnknownForm { .. } => "The page is a picture of a kind that cannot be read.".to_owned(),
        ReadFault::Crashed { .. } => "The page is damaged in a way that stops it from being read.".to_owned(),
        _ => "The page is damaged and cannot be read.".to_owned(),
    }
}

/// The sentence for a child that ended without a word.
pub(super) fn death(status: ExitStatus, limits: &Limits) -> Fault {
    use std::os::unix::process::ExitStatusExt;
    // Numbers as in signal(7); the same on Linux and macOS except SIGXCPU, which is 24 on both.
    const ABORTED: i32 = 6;
    const KILLED: i32 = 9;
    const SEGMENTATION_FAULT: i32 = 11;
    const PROCESSOR_TIME_USED_UP: i32 = 24;
    match status.signal() {
        // An allocation beyond the limit aborts; the kernel's out-of-memory killer kills; a stack beyond it faults.
        Some(ABORTED | KILLED | SEGMENTATION_FAULT) => {
            too_large(limits).because(anyhow::anyhow!("the reading process ended with {status}"))
        }
        Some(PROCESSOR_TIME_USED_UP) => too_slow(limits.child_timeout),
        _ if status.code() == Some(REFUSED) => Fault::from(anyhow::anyhow!(
            "the reading process could not confine itself: this platform does not let it set its limits or a seccomp filter"
        )),
        _ => Fault::from(anyhow::anyhow!("the reading process ended with {status} before it was done")),
    }
}

fn too_many_pixels(width: u32, height: u32, max: u64) -> String {
    format!("The picture is {width} × {height} pixels large; at most {} million pixels can be processed.", max / 1_000_000)
}

fn too_large(limits: &Limits) -> Fault {
    let allowed = megabytes(limits.child_memory_bytes);
    Fault::never(format!("Reading the file needs more than the {allowed} of memory allowed; it may be damaged or made to do harm."))
}

/// In millions of bytes, as memory is set; up to the next where it is not whole.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

pub(super) fn too_slow(limit: Duration) -> Fault {
    Fault::never(format!(
        "Reading the file takes longer than the {} seconds allowed; it may be damaged or made to do harm.",
        limit.as_secs()
    ))
}
