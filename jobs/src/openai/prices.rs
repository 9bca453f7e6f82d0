//! What a call cost, by the price list beside this file.

use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
struct PriceList {
    price: Vec<Price>,
}

#[derive(Deserialize)]
struct Price {
    /// A prefix of model names.
    model: String,
    /// US dollars for a million tokens, which is also millionths of a dollar for one.
    input: f64,
    output: f64,
}

static PRICES: LazyLock<PriceList> =
    LazyLock::new(|| toml::from_str(include_str!("prices.toml")).expect("the price list is checked by a test"));

/// Millionths of a US dollar, rounded up; `None` for a model without a price. Discounts for cached input are not taken off.
pub fn cost_micro_usd(model: &str, input_tokens: u32, output_tokens: u32) -> Option<i64> {
    let price = PRICES.price.iter().filter(|price| model.starts_with(&price.model)).max_by_key(|price| price.model.len())?;
    let micro_usd = f64::from(input_tokens) * price.input + f64::from(output_tokens) * price.output;
    Some(micro_usd.ceil() as i64)
}

/// The same for an answer that came with a batch: half of it, rounded up.
pub fn batch_cost_micro_usd(model: &str, input_tokens: u32, output_tokens: u32) -> Option<i64> {
    cost_micro_usd(model, input_tokens, output_tokens).map(|cost| cost - cost / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_sets_the_price_and_a_stranger_has_none() {
        assert_eq!(cost_micro_usd("gpt-4.1-mini-2025-04-14", 1_000_000, 1_000_000), Some(2_000_000));
        assert_eq!(cost_micro_usd("gpt-4.1", 1_000, 0), Some(2_000));
        assert_eq!(cost_micro_usd("somebody-elses-model", 1, 1), None);
        assert_eq!((cost_micro_usd("gpt-4.1", 2, 0), batch_cost_micro_usd("gpt-4.1", 2, 0)), (Some(4), Some(2)));
        assert_eq!(batch_cost_micro_usd("gpt-4.1-mini", 8, 0).zip(cost_micro_usd("gpt-4.1-mini", 8, 0)), Some((2, 4)));
    }
}
