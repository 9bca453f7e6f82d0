//! What the settings allow.

use std::fmt;

use anyhow::ensure;
use celeriac_process::Settings;
use serde::{Deserialize, Serialize};

use crate::openai::Prices;

/// Zero: no limit. Money in millionths of a US dollar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests a minute.
    #[serde(skip_serializing_if = "is_zero")]
    pub rpm: u64,
    /// Tokens a minute, of questions and answers together.
    #[serde(skip_serializing_if = "is_zero")]
    pub tpm: u64,
    /// Requests at once.
    #[serde(skip_serializing_if = "is_zero")]
    pub in_flight: u64,
    /// Of a day (UTC).
    #[serde(skip_serializing_if = "is_zero")]
    pub day: u64,
    /// Of a calendar month (UTC).
    #[serde(skip_serializing_if = "is_zero")]
    pub month: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub user_in_flight: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub user_day: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub user_month: u64,
}

fn is_zero(limit: &u64) -> bool {
    *limit == 0
}

/// A limit on money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    Day,
    Month,
    UserDay,
    UserMonth,
}

impl Budget {
    pub const ALL: [Self; 4] = [Self::Day, Self::Month, Self::UserDay, Self::UserMonth];

    /// As the scripts call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::UserDay => "user_day",
            Self::UserMonth => "user_month",
        }
    }

    /// The setting that it comes from.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Day => "OPENAI_USD_PER_DAY",
            Self::Month => "OPENAI_USD_PER_MONTH",
            Self::UserDay => "OPENAI_USER_USD_PER_DAY",
            Self::UserMonth => "OPENAI_USER_USD_PER_MONTH",
        }
    }

    /// Whether it holds for each user by itself.
    pub fn is_of_user(self) -> bool {
        matches!(self, Self::UserDay | Self::UserMonth)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day | Self::UserDay => "a day",
            Self::Month | Self::UserMonth => "a month",
        })
    }
}

impl Limits {
    /// OPENAI_RPM and its neighbours.
    ///
    /// # Errors
    /// When money is limited and the model has no known price.
    pub fn from_settings(settings: &Settings, prices: &Prices) -> anyhow::Result<Self> {
        let limits = Self::read(settings);
        let model = settings.text("OPENAI_MODEL");
        if let Some(budget) = Budget::ALL.into_iter().find(|budget| limits.budget(*budget) > 0) {
            ensure!(
                prices.knows(model),
                "{} limits what is spent, and the price of OPENAI_MODEL={model} is not known: add it to OPENAI_PRICES_FILE, or unset that limit",
                budget.setting()
            );
        }
        Ok(limits)
    }

    /// Without a look at prices, for whoever only shows them.
    pub fn read(settings: &Settings) -> Self {
        let count = |name: &str| settings.maybe(name).and_then(|number| number.parse().ok()).unwrap_or(0);
        let money = |budget: Budget| {
            let usd = settings.maybe(budget.setting()).and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0);
            (usd * 1e6).round() as u64
        };
        Self {
            rpm: count("OPENAI_RPM"),
            tpm: count("OPENAI_TPM"),
            in_flight: count("OPENAI_IN_FLIGHT"),
            user_in_flight: count("OPENAI_USER_IN_FLIGHT"),
            day: money(Budget::Day),
            month: money(Budget::Month),
            user_day: money(Budget::UserDay),
            user_month: money(Budget::UserMonth),
        }
    }

    /// Millionths of a US dollar; 0 for none.
    pub fn budget(&self, budget: Budget) -> u64 {
        match budget {
            Budget::Day => self.day,
            Budget::Month => self.month,
            Budget::UserDay => self.user_day,
            Budget::UserMonth => self.user_month,
        }
    }

    /// Whether there is none.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}
