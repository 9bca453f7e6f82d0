//! The PayPal part of [`crate::fuzzing`].

use std::time::Instant;

use reqwest::StatusCode;

use super::answer::Answer;
use super::wire::{AccessToken, Order};
use crate::payments::PaymentError;

/// An answer of any status, to any of our questions. What is not a success never counts as one.
pub(crate) fn answered(status: u16, body: &[u8]) {
    let status = StatusCode::from_u16(status).expect("three digits");
    let answer = Answer::of(status, body);
    assert!(answer.words().chars().count() <= 400 + body.len().min(1_000), "a sentence, not a page");
    answer.issue();
    let order = answer.accepted::<Order>().map(Order::state);
    assert!(status.is_success() || order.is_err());
    assert!(status.as_u16() < 500 || matches!(order, Err(PaymentError::NoAnswer(_) | PaymentError::Declined(_))));
    if let Ok(token) = answer.accepted::<AccessToken>() {
        assert!(Instant::now().checked_add(token.lifetime()).is_some(), "the token's end cannot be told");
    }
}
