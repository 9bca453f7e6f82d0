//! What an answer says about who should have been asked.

use redis::{RedisError, RedisResult, ServerError, ServerErrorKind, Value};

use crate::address::Address;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whatever it says, it was said by the right node.
    Answered,
    /// Not executed: another node serves this slot.
    Moved { slot: u16, to: Address },
    /// Not executed: the slot is on its way to another node.
    Wait,
    /// No answer, or from a node that is not itself: the cluster may have changed.
    InDoubt,
}

/// `asked` is who answered, for nodes that do not say their own host.
pub(super) fn of_answer(answer: &RedisResult<Vec<Value>>, asked: &Address) -> Verdict {
    match answer {
        Ok(values) => {
            of_errors(values.iter().filter_map(|value| if let Value::ServerError(error) = value { Some(error) } else { None }), asked)
        }
        Err(error) => of_error(error, asked),
    }
}

pub(super) fn of_error(error: &RedisError, asked: &Address) -> Verdict {
    match error.clone().into_server_errors() {
        Some(errors) => of_errors(errors.iter().map(|(_, error)| error), asked),
        None => Verdict::InDoubt,
    }
}

/// Of several answers to a pipeline the first that says something.
fn of_errors<'a>(errors: impl Iterator<Item = &'a ServerError>, asked: &Address) -> Verdict {
    errors.map(|error| of_server_error(error, asked)).find(|verdict| *verdict != Verdict::Answered).unwrap_or(Verdict::Answered)
}

fn of_server_error(error: &ServerError, asked: &Address) -> Verdict {
    match error.kind() {
        Some(ServerErrorKind::Moved) => moved(error.details().unwrap_or_default(), asked).unwrap_or(Verdict::InDoubt),
        Some(ServerErrorKind::Ask | ServerErrorKind::TryAgain) => Verdict::Wait,
        Some(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading) => {
            Verdict::InDoubt
        }
        // What a blocked client is told when its node hands its slots over.
        _ if error.code() == "UNBLOCKED" => Verdict::InDoubt,
        _ => Verdict::Answered,
    }
}

/// `3999 127.0.0.1:6381`
fn moved(details: &str, asked: &Address) -> Option<Verdict> {
    let (slot, to) = details.split_once(' ')?;
    Some(Verdict::Moved { slot: slot.parse().ok()?, to: Address::parse(to.trim(), asked)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> Verdict {
        let asked = Address { host: "asked".into(), port: 1 };
        of_answer(&redis::parse_redis_value(format!("{line}\r\n").as_bytes()).map(|value| vec![Value::Okay, value]), &asked)
    }

    #[test]
    fn an_answer_tells_where_to_go_and_what_was_not_executed() {
        let moved = |host: &str| Verdict::Moved { slot: 12, to: Address { host: host.into(), port: 7 } };
        assert_eq!(verdict("-MOVED 12 b:7"), moved("b"));
        assert_eq!(verdict("-MOVED 12 :7"), moved("asked"));
        assert_eq!(verdict("-ASK 12 b:7"), Verdict::Wait);
        assert_eq!(verdict("-TRYAGAIN Multiple keys request during rehashing of slot"), Verdict::Wait);
        assert_eq!(verdict("-CLUSTERDOWN The cluster is down"), Verdict::InDoubt);
        assert_eq!(verdict("-UNBLOCKED force unblock from blocking operation"), Verdict::InDoubt);
        assert_eq!(verdict("-NOSCRIPT No matching script"), Verdict::Answered);
        assert_eq!(verdict("+OK"), Verdict::Answered);
        let silent = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(of_error(&silent, &Address { host: "a".into(), port: 1 }), Verdict::InDoubt);
    }
}
