//! One field of a crontab line: from its text to the set of values it stands for.

use std::collections::BTreeSet;

/// What a field may hold.
pub(crate) struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// Three-letter names, the first standing for `low`.
    names: &'static [&'static str],
}

pub(crate) const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
pub(crate) const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
pub(crate) const DAY_OF_MONTH: Field = Field { name: "day of the month", low: 1, high: 31, names: &[] };
pub(crate) const MONTH: Field =
    Field { name: "month", low: 1, high: 12, names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"] };
/// Sunday is 0 and also 7; only 0 comes out.
pub(crate) const DAY_OF_WEEK: Field =
    Field { name: "day of the week", low: 0, high: SUNDAY_AS_LAST, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

const SUNDAY_AS_LAST: u32 = 7;

/// What a field's text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) set: BTreeSet<u32>,
    /// The text begins with `*`. Vixie cron hangs two rules on it: which day fields restrict, and which lines follow elapsed time.
    pub(crate) star: bool,
}

impl Field {
    /// # Errors
    /// A clause saying what is wrong, to stand after a colon.
    pub(crate) fn parse(&self, text: &str) -> Result<Values, String> {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            set.extend(self.part(part)?.map(|value| if self.is_sunday(value) { 0 } else { value }));
        }
        Ok(Values { set, star: text.starts_with('*') })
    }

    fn part(&self, part: &str) -> Result<impl Iterator<Item = u32> + use<>, String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(step)),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.last_of_star()),
            Some((first, last)) => self.range(first, last)?,
            None if step.is_some() => {
                return Err(format!("\"{part}\" has a step but no range: write {range}-{}/{}", self.last_of_star(), step.unwrap_or("n")));
            }
            None => self.value(range).map(|value| (value, value))?,
        };
        let step = step.map_or(Ok(1), |step| self.step(part, step, last - first))?;
        Ok((first..=last).step_by(step))
    }

    fn range(&self, first: &str, last: &str) -> Result<(u32, u32), String> {
        let (from, mut to) = (self.value(first)?, self.value(last)?);
        // FRI-SUN means Friday to the Sunday after it.
        if self.high == SUNDAY_AS_LAST && to == 0 && from > 0 {
            to = SUNDAY_AS_LAST;
        }
        if from > to {
            return Err(format!(
                "the range {first}-{last} of the {} runs backwards: write {first}-{},{}-{last}",
                self.name,
                self.last_of_star(),
                self.low
            ));
        }
        Ok((from, to))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.low + u32::try_from(at).expect("at most twelve names"));
        }
        if text == "?" {
            return Err("\"?\" is not crontab's: write *".into());
        }
        if is_quartz(text) {
            return Err(format!("\"{text}\" uses L, W or #, which are not supported: list the days, or let the job itself decide"));
        }
        // `parse` alone would take "+5".
        let number = text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        number.filter(|number| (self.low..=self.high).contains(number)).ok_or_else(|| {
            let names = self.names.first().zip(self.names.last()).map(|(first, last)| format!(" or {first} to {last}")).unwrap_or_default();
            format!("\"{text}\" is not a {}: it must be {} to {}{names}", self.name, self.low, self.high)
        })
    }

    fn step(&self, part: &str, step: &str, span: u32) -> Result<usize, String> {
        let number = step.parse::<u32>().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| format!("\"{part}\" has no step: after / there must be a number of at least 1"))?;
        if number > span {
            return Err(format!(
                "the step of \"{part}\" is longer than its range, and the {} begins anew after {}: use every_seconds for such a rhythm",
                self.name,
                self.last_of_star()
            ));
        }
        Ok(number as usize)
    }

    fn last_of_star(&self) -> u32 {
        if self.high == SUNDAY_AS_LAST { SUNDAY_AS_LAST - 1 } else { self.high }
    }

    fn is_sunday(&self, value: u32) -> bool {
        self.high == SUNDAY_AS_LAST && value == SUNDAY_AS_LAST
    }
}

/// `L`, `LW`, `15W`, `5L`, `5#2`, `FRI#1`.
fn is_quartz(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.contains('#') || (upper.ends_with(['L', 'W']) && upper.trim_end_matches(['L', 'W']).bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(field: &Field, text: &str) -> Vec<u32> {
        field.parse(text).unwrap().set.into_iter().collect()
    }

    #[test]
    fn ranges_steps_lists_and_names_stand_for_their_values() {
        assert_eq!(set(&MINUTE, "*/20"), [0, 20, 40]);
        assert_eq!(set(&MINUTE, "5,10-12,50-59/4"), [5, 10, 11, 12, 50, 54, 58]);
        assert_eq!(set(&MONTH, "jan,Mar-MAY"), [1, 3, 4, 5]);
        assert_eq!(set(&DAY_OF_WEEK, "mon-fri"), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn sunday_is_zero_and_seven() {
        assert_eq!(set(&DAY_OF_WEEK, "7"), [0]);
        assert_eq!(set(&DAY_OF_WEEK, "5-7"), [0, 5, 6]);
        assert_eq!(set(&DAY_OF_WEEK, "FRI-SUN"), [0, 5, 6]);
        assert_eq!(set(&DAY_OF_WEEK, "*"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(set(&DAY_OF_WEEK, "*/2"), [0, 2, 4, 6]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_to_write_instead() {
        for (field, text, clue) in [
            (&HOUR, "24", "0 to 23"),
            (&HOUR, "+5", "0 to 23"),
            (&HOUR, "", "0 to 23"),
            (&HOUR, "22-2", "22-23,0-2"),
            (&MINUTE, "5/15", "5-59/15"),
            (&MINUTE, "*/0", "at least 1"),
            (&MINUTE, "*/90", "every_seconds"),
            (&MONTH, "JANUARY", "JAN to DEC"),
            (&DAY_OF_MONTH, "?", "write *"),
            (&DAY_OF_MONTH, "L", "L, W or #"),
            (&DAY_OF_MONTH, "15W", "L, W or #"),
            (&DAY_OF_WEEK, "FRI#2", "L, W or #"),
            (&DAY_OF_WEEK, "5L", "L, W or #"),
        ] {
            let refusal = field.parse(text).unwrap_err();
            assert!(refusal.contains(clue), "{text:?}: {refusal}");
        }
    }
}
