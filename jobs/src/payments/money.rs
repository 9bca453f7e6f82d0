//! An amount in a currency, and how PayPal spells it.

use std::fmt;

/// Currencies without a smaller unit: 500 means 500 yen.
const WITHOUT_MINOR_UNIT: [&str; 1] = ["JPY"];

/// Currencies that have a smaller unit which PayPal does not take.
const WHOLE_AT_PAYPAL: [&str; 2] = ["HUF", "TWD"];

/// An amount, in the currency's smallest unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    pub cents: u32,
    /// Three capital letters, as in `USD`.
    pub currency: String,
}

/// An amount that cannot be charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PayPal takes only whole {currency}, and {cents} hundredths are not whole")]
pub struct MoneyError {
    cents: u32,
    currency: String,
}

impl Money {
    /// As in `12.30`.
    ///
    /// # Errors
    /// When PayPal takes no fractions of this currency and the amount has one.
    pub fn paypal_value(&self) -> Result<String, MoneyError> {
        let currency = self.currency.as_str();
        if WITHOUT_MINOR_UNIT.contains(&currency) {
            return Ok(self.cents.to_string());
        }
        if WHOLE_AT_PAYPAL.contains(&currency) {
            let whole = self.cents.is_multiple_of(100).then(|| (self.cents / 100).to_string());
            return whole.ok_or_else(|| MoneyError { cents: self.cents, currency: self.currency.clone() });
        }
        Ok(format!("{}.{:02}", self.cents / 100, self.cents % 100))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if WITHOUT_MINOR_UNIT.contains(&self.currency.as_str()) {
            write!(f, "{} {}", self.cents, self.currency)
        } else {
            write!(f, "{}.{:02} {}", self.cents / 100, self.cents % 100, self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_spelled_as_paypal_takes_them() {
        let spelled = |cents, currency: &str| Money { cents, currency: currency.into() }.paypal_value();
        assert_eq!(spelled(1230, "USD").unwrap(), "12.30");
        assert_eq!(spelled(5, "EUR").unwrap(), "0.05");
        assert_eq!(spelled(500, "JPY").unwrap(), "500");
        assert_eq!(spelled(99_000, "HUF").unwrap(), "990");
        assert_eq!(spelled(99_050, "HUF").unwrap_err().to_string(), "PayPal takes only whole HUF, and 99050 hundredths are not whole");
    }
}
