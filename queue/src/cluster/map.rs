//! Which node serves which slot, as some node said.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use redis::Value;

use super::slot::SLOTS;
use crate::address::Address;

/// Runs of slots by their first, each with its last and its master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    runs: BTreeMap<u16, (u16, Address)>,
    /// Slots that moved since, as single nodes said.
    moved: BTreeMap<u16, Address>,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`: `[first, last, [host, port, …] of the master, replicas…]` for each run of slots. What it does
    /// not understand it leaves out: a slot without a node is asked for again.
    pub(super) fn read(answer: Value, asked: &Address) -> Self {
        let Value::Array(rows) = answer else { return Self::default() };
        let runs = rows.into_iter().filter_map(|row| {
            let Value::Array(row) = row else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = row.as_slice() else { return None };
            let slots = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            (slots.0 <= slots.1 && slots.1 < SLOTS).then_some(())?;
            Some((slots.0, (slots.1, node(master, asked)?)))
        });
        Self { runs: runs.collect(), moved: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn master_of(&self, slot: u16) -> Option<&Address> {
        let in_runs = || self.runs.range(..=slot).next_back().filter(|(_, (last, _))| slot <= *last).map(|(_, (_, master))| master);
        self.moved.get(&slot).or_else(in_runs)
    }

    /// Believes a node that said who serves a slot now.
    pub(super) fn learn(&mut self, slot: u16, master: Address) {
        self.moved.insert(slot, master);
    }

    pub(super) fn masters(&self) -> BTreeSet<&Address> {
        self.runs.values().map(|(_, master)| master).chain(self.moved.values()).collect()
    }
}

/// `?` stands for a name that the node itself does not know; an absent or empty host for the host that was asked.
fn node(parts: &[Value], asked: &Address) -> Option<Address> {
    let [host, Value::Int(port), ..] = parts else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok().filter(|host| host != "?")?,
        Value::SimpleString(host) => host.clone(),
        Value::Nil => String::new(),
        _ => return None,
    };
    Some(Address { host: if host.is_empty() { asked.host.clone() } else { host }, port: u16::try_from(*port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: i64, last: i64, host: Value, port: i64) -> Value {
        let replica = Value::Array(vec![Value::BulkString(b"r".to_vec()), Value::Int(1)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(vec![host, Value::Int(port)]), replica])
    }

    #[test]
    fn every_slot_is_found_at_its_master_and_gaps_at_none() {
        let asked = Address { host: "asked".into(), port: 9 };
        let answer = Value::Array(vec![
            row(0, 99, Value::BulkString(b"a".to_vec()), 1),
            row(200, 16_383, Value::Nil, 2),
            row(100, 120, Value::BulkString(b"?".to_vec()), 3),
            Value::Int(7),
            row(130, 99_999, Value::BulkString(b"far".to_vec()), 4),
        ]);
        let mut map = SlotMap::read(answer, &asked);
        let at = |map: &SlotMap, slot| map.master_of(slot).map(ToString::to_string);
        assert_eq!(at(&map, 0).unwrap(), "a:1");
        assert_eq!(at(&map, 99).unwrap(), "a:1");
        assert_eq!(at(&map, 110), None);
        assert_eq!(at(&map, 150), None);
        assert_eq!(at(&map, 16_383).unwrap(), "asked:2");
        map.learn(110, Address { host: "c".into(), port: 5 });
        assert_eq!(at(&map, 110).unwrap(), "c:5");
        assert_eq!(map.masters().len(), 3);
        assert!(SlotMap::read(Value::Okay, &asked).is_empty());
    }
}
