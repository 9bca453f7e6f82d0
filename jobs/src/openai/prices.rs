//! What a call costs, by a price list: the one beside this file, or one of the operator's.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use celeriac_process::Settings;
use serde::Deserialize;

const COMPILED_IN: &str = include_str!("prices.toml");
/// A thousand times the dearest there is: beyond it somebody has mistaken the unit.
const USD_MAX: f64 = 1_000_000.0;

/// Prices by the longest prefix of a model's name. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    rows: Arc<[Price]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceList {
    /// Read one by one, so that every fault can be told at once.
    #[serde(default)]
    price: Vec<toml::Table>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    /// A prefix of model names.
    model: String,
    /// US dollars for a million tokens, which is also millionths of a dollar for one.
    input: f64,
    output: f64,
}

impl Default for Prices {
    /// Those that were known when this was built.
    fn default() -> Self {
        Self::parse(COMPILED_IN).expect("the price list is checked by a test")
    }
}

impl Prices {
    /// OPENAI_PRICES_FILE, or those that were known when this was built.
    ///
    /// # Errors
    /// When the file cannot be read or used: with everything that is wrong with it.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        settings.maybe_path("OPENAI_PRICES_FILE").map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("OPENAI_PRICES_FILE={}", path.display());
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", named()))?;
        Self::parse(&text).with_context(|| format!("{} cannot be used", named()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let PriceList { price } = toml::from_str(text)?;
        let (mut rows, mut faults) = (Vec::<Price>::new(), String::new());
        for (index, table) in price.into_iter().enumerate() {
            let named = table.get("model").and_then(toml::Value::as_str).map_or_else(String::new, |model| format!(" ({model})"));
            let mut complain = |why: &str| write!(faults, "; price {}{named}: {why}", index + 1).expect("a string takes what it is given");
            match table.try_into::<Price>() {
                Ok(row) => {
                    row.faults(&rows).into_iter().for_each(&mut complain);
                    rows.push(row);
                }
                Err(error) => complain(error.to_string().trim()),
            }
        }
        if rows.is_empty() && faults.is_empty() {
            faults.push_str("; it has no [[price]]");
        }
        match faults.strip_prefix("; ") {
            None => Ok(Self { rows: rows.into() }),
            Some(faults) => bail!("{faults}"),
        }
    }

    /// Millionths of a US dollar, rounded up; `None` for a model without a price. Discounts for cached input are not taken off.
    pub fn cost_micro_usd(&self, model: &str, input_tokens: u32, output_tokens: u32) -> Option<i64> {
        let price = self.rows.iter().filter(|price| model.starts_with(&price.model)).max_by_key(|price| price.model.len())?;
        let micro_usd = f64::from(input_tokens) * price.input + f64::from(output_tokens) * price.output;
        Some(micro_usd.ceil() as i64)
    }

    /// The same for an answer that came with a batch: half of it, rounded up.
    pub fn batch_cost_micro_usd(&self, model: &str, input_tokens: u32, output_tokens: u32) -> Option<i64> {
        self.cost_micro_usd(model, input_tokens, output_tokens).map(|cost| cost - cost / 2)
    }

    /// Whether calls of that model have a price.
    pub fn knows(&self, model: &str) -> bool {
        self.cost_micro_usd(model, 0, 0).is_some()
    }
}

impl Price {
    fn faults(&self, before: &[Self]) -> Vec<&'static str> {
        let is_price = |usd: f64| (0.0..=USD_MAX).contains(&usd);
        [
            (self.model.trim().is_empty(), "model is empty: it would be the price of every model"),
            (!is_price(self.input), "input must be US dollars for a million tokens, 0 or more"),
            (!is_price(self.output), "output must be US dollars for a million tokens, 0 or more"),
            (before.iter().any(|other| other.model == self.model), "that model has a price already"),
        ]
        .into_iter()
        .filter_map(|(is_so, fault)| is_so.then_some(fault))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_sets_the_price_and_a_stranger_has_none() {
        let prices = Prices::default();
        assert_eq!(prices.cost_micro_usd("gpt-4.1-mini-2025-04-14", 1_000_000, 1_000_000), Some(2_000_000));
        assert_eq!(prices.cost_micro_usd("gpt-4.1", 1_000, 0), Some(2_000));
        assert_eq!(prices.cost_micro_usd("somebody-elses-model", 1, 1), None);
        assert_eq!((prices.cost_micro_usd("gpt-4.1", 2, 0), prices.batch_cost_micro_usd("gpt-4.1", 2, 0)), (Some(4), Some(2)));
        assert_eq!(prices.batch_cost_micro_usd("gpt-4.1-mini", 8, 0).zip(prices.cost_micro_usd("gpt-4.1-mini", 8, 0)), Some((2, 4)));
    }

    #[test]
    fn everything_that_is_wrong_with_a_list_is_told_at_once() {
        let list = "
            [[price]]\nmodel = 'a'\ninput = -1\noutput = 2\n
            [[price]]\nmodel = 'b'\ninput = 1\noutput = 2\ncached = 0.5\n
            [[price]]\nmodel = 'c'\ninput = 1\n
            [[price]]\nmodel = ' '\ninput = 1\noutput = nan\n
            [[price]]\nmodel = 'a'\ninput = 1\noutput = 2\n";
        let complaint = Prices::parse(list).unwrap_err().to_string();
        for fault in [
            "price 1 (a): input must be",
            "price 2 (b): unknown field `cached`",
            "price 3 (c): missing field `output`",
            "price 4 ( ): model is empty",
            "price 4 ( ): output must be",
            "price 5 (a): that model has a price already",
        ] {
            assert!(complaint.contains(fault), "{fault}: {complaint}");
        }
        assert!(Prices::parse("[prices]").unwrap_err().to_string().contains("unknown field"));
        assert!(Prices::parse("").unwrap_err().to_string().contains("no [[price]]"));
        assert!(Prices::parse("[[price]]\nmodel = 'own'\ninput = 0\noutput = 0").unwrap().knows("own-2"));
    }
}
