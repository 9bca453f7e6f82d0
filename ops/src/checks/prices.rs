//! The price list, and whether it knows the model. Workers refuse what is a problem here.

use celeriac_jobs::admission::Limits;
use celeriac_jobs::openai::Prices;
use celeriac_process::{Settings, in_words};

use super::Finding;

const ABOUT: &str = "prices";

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let prices = match Prices::from_settings(settings) {
        Ok(prices) => prices,
        Err(error) => return vec![Finding::problem(ABOUT, in_words(&error), "mend the file, or unset OPENAI_PRICES_FILE")],
    };
    let model = settings.text("OPENAI_MODEL");
    let hint = format!("put a [[price]] for {model} into OPENAI_PRICES_FILE");
    vec![match (prices.knows(model), Limits::from_settings(settings, &prices)) {
        (true, _) => Finding::ok(ABOUT, format!("the price of {model} is known")),
        (false, Ok(_)) => Finding::warning(ABOUT, format!("the price of OPENAI_MODEL={model} is not known, nor will its costs be"), hint),
        (false, Err(error)) => Finding::problem(ABOUT, in_words(&error), hint),
    }]
}
